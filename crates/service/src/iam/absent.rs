//! What users and roles can have in AWS and never have here: consoles, devices, certificates, instance profiles. Clients
//! that delete a user or a role with all it has ask for each of them first (K285).

use serde::Serialize;

use super::users::{named_or_caller, permitted_user};
use super::{About, SERVICE, arn, may, page, refused, violation};
use crate::call::{Call, Nothing, Outcome};
use crate::caller::Identity;
use crate::error::{Error, IamCode};

/// An empty page of what a user never has, for a caller who may look.
fn nothing_of(call: &mut Call<'_>, action: &str, user: Option<String>, max_items: Option<usize>, marker: Option<&str>) -> Result<(), Error> {
    // The root user asks about itself without a name.
    if user.is_some() || !matches!(call.caller.identity, Identity::Root { .. }) {
        let name = named_or_caller(call, user)?;
        permitted_user(call, action, &name, About::default())?;
    }
    page(call, action, max_items, marker, std::iter::empty::<()>(), |()| String::new()).map(|_| ())
}

macro_rules! lists_of_nothing {
    ($($name:ident { $($member:ident: $type:ty),* } -> $output:ident { $list:ident = $written:literal })*) => {
        $(
            #[doc = concat!("The answer to `", stringify!($name), "`: always empty.")]
            #[derive(Default, Serialize)]
            #[serde(rename_all = "PascalCase")]
            #[expect(missing_docs, reason = "the API's own members")]
            pub struct $output {
                #[serde(rename = $written)]
                pub $list: [(); 0],
                pub is_truncated: bool,
            }

            operation! {
                $name { user_name: Option<String>, $($member: $type,)* marker: Option<String>, max_items: Option<usize> } reads -> $output,
                |input, call| {
                    nothing_of(call, stringify!($name), input.user_name, input.max_items, input.marker.as_deref())?;
                    Ok(Outcome::unchanged($output::default()))
                }
            }
        )*
    };
}

lists_of_nothing! {
    ListMFADevices {} -> ListMFADevicesOutput { devices = "MFADevices" }
    ListSSHPublicKeys {} -> ListSSHPublicKeysOutput { public_keys = "SSHPublicKeys" }
    ListSigningCertificates {} -> ListSigningCertificatesOutput { certificates = "Certificates" }
    ListServiceSpecificCredentials { service_name: Option<String>, all_users: Option<bool> }
        -> ListServiceSpecificCredentialsOutput { credentials = "ServiceSpecificCredentials" }
}

/// The answer to `ListVirtualMFADevices`: always empty.
#[derive(Default, Serialize)]
#[expect(missing_docs, reason = "the API's own members")]
pub struct ListVirtualMFADevicesOutput {
    #[serde(rename = "VirtualMFADevices")]
    pub devices: [(); 0],
    #[serde(rename = "IsTruncated")]
    pub is_truncated: bool,
}

operation! {
    ListVirtualMFADevices { assignment_status: Option<String>, marker: Option<String>, max_items: Option<usize> }
    reads -> ListVirtualMFADevicesOutput,
    |input, call| {
        match input.assignment_status.as_deref() {
            None | Some("Assigned" | "Unassigned" | "Any") => {}
            Some(other) => return Err(violation(other, "assignmentStatus", "satisfy enum value set: [Assigned, Unassigned, Any]")),
        }
        may(call, "ListVirtualMFADevices", "*", About::default())?;
        page(call, "ListVirtualMFADevices", input.max_items, input.marker.as_deref(), std::iter::empty::<()>(), |()| String::new())?;
        Ok(Outcome::unchanged(ListVirtualMFADevicesOutput::default()))
    }
}

operation! {
    DeleteLoginProfile { user_name: Option<String> } changes -> Nothing,
    |input, call| {
        let name = named_or_caller(call, input.user_name)?;
        let user = permitted_user(call, "DeleteLoginProfile", &name, About::default())?;
        Err(refused(IamCode::NoSuchEntity, &format!("Login Profile for User {} cannot be found.", user.name)))
    }
}

operation! {
    RemoveRoleFromInstanceProfile { instance_profile_name: String, role_name: String } changes -> Nothing,
    |input, call| {
        let profile = &input.instance_profile_name;
        may(call, "RemoveRoleFromInstanceProfile", &arn(call, "instance-profile", "/", profile)?, About::default())?;
        Err(refused(IamCode::NoSuchEntity, &format!("Instance Profile {profile} cannot be found.")))
    }
}
