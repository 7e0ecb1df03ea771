//! How operations of IAM, STS and Organizations are written: parameters, whether they read, change or make something,
//! and what they do.

/// Declares an operation: a struct of its parameters, and [`Operate`](crate::Operate) for it. The module that uses it
/// names its service in a constant `SERVICE`.
macro_rules! operation {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? } $effect:ident -> $output:ty, |$input:ident, $call:ident| $body:block) => {
        #[doc = concat!("`", stringify!($name), "`")]
        #[derive(serde::Deserialize, serde::Serialize)]
        #[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
        pub struct $name {
            $(
                #[doc = concat!("As the API's parameter `", stringify!($field), "`.")]
                $(#[$attribute])*
                pub $field: $type,
            )*
        }

        impl crate::call::Operate for $name {
            type Output = $output;
            const SERVICE: &'static str = SERVICE;
            const NAME: &'static str = stringify!($name);
            const MUTATES: bool = operation!(@ $effect);

            fn request_parameters(&self) -> Option<Box<serde_json::value::RawValue>> {
                crate::call::raw_parameters(self)
            }

            fn response_elements(output: &$output) -> Option<Box<serde_json::value::RawValue>> {
                operation!(elements $effect output)
            }

            fn operate(self, $call: &mut crate::call::Call<'_>) -> Result<crate::call::Outcome<$output>, crate::error::Error> {
                let $input = self;
                $body
            }
        }
    };
    (@ reads) => { false };
    (@ changes) => { true };
    (@ makes) => { true };
    (@ makes_secret) => { true };
    // What is made has an id that only the answer tells: its record keeps the answer. Nothing secret may be in it.
    (elements makes $answer:ident) => { crate::call::raw_elements($answer) };
    // What is made has a secret beside its id: the answer says itself what its record keeps.
    (elements makes_secret $answer:ident) => { $answer.recorded() };
    (elements $effect:ident $answer:ident) => {{
        let _ = $answer;
        None
    }};
}
