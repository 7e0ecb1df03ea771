//! The Condition block (A150–A173).

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::Value;

use super::pattern::{Piece, covers, literally, pieces, segments};
use super::statement::{Effect, strings};

/// The condition keys of one permission and their values, names as they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub(super) entries: Vec<(String, Vec<String>)>,
}

/// What the request says under one condition key.
enum Fact<'c> {
    Absent,
    One(&'c str),
    /// The key is multivalued.
    Many(Vec<&'c str>),
    /// A key of one value that has several (A168).
    Torn,
}

/// The keys that section 5 calls multivalued.
const MULTIVALUED: [&str; 10] = [
    "aws:calledvia",
    "aws:principalorgpaths",
    "aws:principalservicenameslist",
    "aws:resourceorgpaths",
    "aws:sourceorgpaths",
    "aws:tagkeys",
    "aws:vpceorgpaths",
    "kms:encryptioncontextkeys",
    "kms:grantoperations",
    "kms:resourcealiases",
];

impl Context {
    pub(super) fn say(&mut self, name: &str, value: impl Into<String>) {
        self.entries.push((name.to_owned(), vec![value.into()]));
    }

    pub(super) fn list(&mut self, name: &str, values: Vec<String>) {
        self.entries.push((name.to_owned(), values));
    }

    /// Takes everything from `over`, whose keys replace ours.
    pub(super) fn overlaid(mut self, over: Context) -> Context {
        self.entries.retain(|(name, _)| !over.entries.iter().any(|(other, _)| other.to_lowercase() == name.to_lowercase()));
        self.entries.extend(over.entries);
        self
    }

    /// The first value of a key.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        match self.fact(key) {
            Fact::One(value) => Some(value),
            _ => None,
        }
    }

    /// [A151] Key names ignore case, the variable part too.
    fn fact(&self, key: &str) -> Fact<'_> {
        let key = key.to_lowercase();
        let entries: Vec<_> = self.entries.iter().filter(|(name, _)| name.to_lowercase() == key).collect();
        let values: Vec<&str> = entries.iter().flat_map(|(_, values)| values.iter().map(String::as_str)).collect();
        match values.as_slice() {
            // [A163] [A165] An empty set is a missing key.
            [] => Fact::Absent,
            _ if MULTIVALUED.contains(&key.as_str()) => Fact::Many(values),
            [one] => Fact::One(one),
            _ => Fact::Torn,
        }
    }
}

/// Whether the condition holds: all operators and all keys of them (A150).
pub(super) fn holds(condition: &Value, effect: Effect, variables: bool, context: &Context) -> bool {
    // What cannot be read is in no statement that has an effect (A110).
    let operators = condition.as_object().into_iter().flatten();
    operators.filter_map(|(operator, keys)| Some((Operator::named(operator)?, keys.as_object()?))).all(|(operator, keys)| {
        keys.iter().all(|(key, values)| {
            let wanted = strings(values).unwrap_or_default();
            operator.test(context.fact(key), &wanted, effect, variables, context)
        })
    })
}

pub(super) struct Operator {
    pub(super) set: Option<Set>,
    pub(super) base: Base,
    negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Set {
    All,
    Any,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Base {
    Text,
    TextIgnoringCase,
    TextLike,
    Arn,
    Number(Wanted),
    Date(Wanted),
    Bool,
    Binary,
    Ip,
    Null,
}

/// The ways in which a value may stand to the wanted one.
type Wanted = &'static [Ordering];

const EQUAL: Wanted = &[Ordering::Equal];
const LESS: Wanted = &[Ordering::Less];
const GREATER: Wanted = &[Ordering::Greater];
const LESS_OR_EQUAL: Wanted = &[Ordering::Less, Ordering::Equal];
const GREATER_OR_EQUAL: Wanted = &[Ordering::Greater, Ordering::Equal];

impl Operator {
    /// [A151] Spelled as documented.
    pub(super) fn named(name: &str) -> Option<Operator> {
        let (set, rest) = match (name.strip_prefix("ForAllValues:"), name.strip_prefix("ForAnyValue:")) {
            (Some(rest), _) => (Some(Set::All), rest),
            (_, Some(rest)) => (Some(Set::Any), rest),
            _ => (None, name),
        };
        let (plain, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |plain| (plain, true));
        let (base, negated) = match plain {
            "StringEquals" => (Base::Text, false),
            "StringNotEquals" => (Base::Text, true),
            "StringEqualsIgnoreCase" => (Base::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Base::TextIgnoringCase, true),
            "StringLike" => (Base::TextLike, false),
            "StringNotLike" => (Base::TextLike, true),
            "ArnEquals" | "ArnLike" => (Base::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Base::Arn, true),
            "NumericEquals" => (Base::Number(EQUAL), false),
            "NumericNotEquals" => (Base::Number(EQUAL), true),
            "NumericLessThan" => (Base::Number(LESS), false),
            "NumericLessThanEquals" => (Base::Number(LESS_OR_EQUAL), false),
            "NumericGreaterThan" => (Base::Number(GREATER), false),
            "NumericGreaterThanEquals" => (Base::Number(GREATER_OR_EQUAL), false),
            "DateEquals" => (Base::Date(EQUAL), false),
            "DateNotEquals" => (Base::Date(EQUAL), true),
            "DateLessThan" => (Base::Date(LESS), false),
            "DateLessThanEquals" => (Base::Date(LESS_OR_EQUAL), false),
            "DateGreaterThan" => (Base::Date(GREATER), false),
            "DateGreaterThanEquals" => (Base::Date(GREATER_OR_EQUAL), false),
            "Bool" => (Base::Bool, false),
            "BinaryEquals" => (Base::Binary, false),
            "IpAddress" => (Base::Ip, false),
            "NotIpAddress" => (Base::Ip, true),
            // [A161] [A163] Presence takes neither a set nor IfExists.
            "Null" if set.is_none() && !if_exists => (Base::Null, false),
            _ => return None,
        };
        Some(Operator { set, base, negated, if_exists })
    }

    fn test(&self, fact: Fact<'_>, wanted: &[String], effect: Effect, variables: bool, context: &Context) -> bool {
        // [A168]
        let substituted = matches!(self.base, Base::Text | Base::TextIgnoringCase | Base::TextLike | Base::Arn | Base::Bool);
        if substituted && wanted.iter().any(|wanted| is_torn(wanted, variables, context)) {
            return effect == Effect::Deny;
        }
        if self.base == Base::Null {
            // [A163]
            let absent = matches!(fact, Fact::Absent);
            return wanted.iter().any(|wanted| truth(wanted) == Some(absent));
        }
        let one = |value: &str| self.one(value, wanted, variables, context);
        match (self.set, fact) {
            // [A165] [A166]
            (Some(Set::All), Fact::Absent) => true,
            (Some(Set::Any), Fact::Absent) => self.if_exists,
            // [A160] [A161]
            (None, Fact::Absent) => self.negated || self.if_exists,
            // [A167] Of a key with one value a set operator sees a set of one.
            (_, Fact::One(value)) => one(value),
            // [A164]
            (None, Fact::Many(_)) => false,
            // [A168]
            (_, Fact::Torn) => effect == Effect::Deny,
            // [A165]
            (Some(Set::All), Fact::Many(values)) => values.into_iter().all(one),
            (Some(Set::Any), Fact::Many(values)) => values.into_iter().any(one),
        }
    }

    /// One value of the request: some wanted value fits, or with a negated operator none does (A150).
    fn one(&self, value: &str, wanted: &[String], variables: bool, context: &Context) -> bool {
        let fits: Vec<Option<bool>> = wanted.iter().map(|wanted| self.fits(value, wanted, variables, context)).collect();
        if self.negated { fits.iter().all(|fits| *fits == Some(false)) } else { fits.contains(&Some(true)) }
    }

    /// Whether the value fits a wanted one; nothing when they cannot be compared, which is false either way (A157).
    fn fits(&self, value: &str, wanted: &str, variables: bool, context: &Context) -> Option<bool> {
        // [A170] [A171] Without a value for a variable nothing fits.
        let text = |wildcards| expand(wanted, wildcards, variables, context);
        match self.base {
            Base::Text => Some(text(false).is_some_and(|wanted| covers(&wanted, value))),
            Base::TextIgnoringCase => Some(text(false).is_some_and(|wanted| spelled(&wanted).to_lowercase() == value.to_lowercase())),
            Base::TextLike => Some(text(true).is_some_and(|wanted| covers(&wanted, value))),
            // [A156] What is no ARN fits nothing.
            Base::Arn => Some(text(true).is_some_and(|wanted| arn_fits(&wanted, value))),
            Base::Number(ways) => compared(number(value), number(wanted), ways),
            Base::Date(ways) => compared(date(value), date(wanted), ways),
            Base::Bool => Some(text(false).is_some_and(|wanted| truth(&spelled(&wanted)).is_some_and(|wanted| truth(value) == Some(wanted)))),
            Base::Binary => Some(base64(value).is_some_and(|bytes| base64(wanted) == Some(bytes))),
            Base::Ip => ip_fits(wanted, value),
            Base::Null => None,
        }
    }
}

/// [A159]
fn truth(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn compared<T: PartialOrd>(value: Option<T>, wanted: Option<T>, ways: Wanted) -> Option<bool> {
    Some(ways.contains(&value?.partial_cmp(&wanted?)?))
}

/// A value of a policy with its variables replaced (A170–A173); nothing when one has no value.
pub(super) fn expand(text: &str, wildcards: bool, variables: bool, context: &Context) -> Option<Vec<Piece>> {
    let plain = |text: &str| if wildcards { pieces(text) } else { literally(text) };
    let (mut expanded, mut rest) = (Vec::new(), text);
    // [A102]
    while let Some((before, after)) = rest.split_once("${").filter(|_| variables) {
        // [A173]
        let Some((variable, after)) = variable(after) else { break };
        expanded.extend(plain(before));
        expanded.extend(match variable {
            // [A172]
            "*" | "?" | "$" => literally(variable),
            _ => literally(&value_of(variable, context)?),
        });
        rest = after;
    }
    expanded.extend(plain(rest));
    Some(expanded)
}

/// What stands between `${` and its end, and what follows: a default in quotes may hold a brace (A171).
pub(super) fn variable(after: &str) -> Option<(&str, &str)> {
    let (plain, rest) = after.split_once('}')?;
    let quoted = plain.split_once(',').is_some_and(|(_, default)| default.trim_start().starts_with('\''));
    match after.find("'}").filter(|_| quoted) {
        Some(end) => Some((after.get(..=end)?, after.get(end + 2..)?)),
        None => Some((plain, rest)),
    }
}

/// [A168] Whether a variable is fed by two names of the request.
pub(super) fn is_torn(text: &str, variables: bool, context: &Context) -> bool {
    let mut rest = text;
    while let Some((inside, after)) = rest.split_once("${").filter(|_| variables).and_then(|(_, after)| variable(after)) {
        let key = inside.split_once(',').map_or(inside, |(key, _)| key).trim();
        if matches!(context.fact(key), Fact::Torn) {
            return true;
        }
        rest = after;
    }
    false
}

/// [A171] `key` or `key, 'default'`.
fn value_of(variable: &str, context: &Context) -> Option<String> {
    let with_default = variable.split_once(',').and_then(|(key, default)| Some((key.trim(), default.trim().strip_prefix('\'')?.strip_suffix('\'')?)));
    let (key, default) = with_default.map_or((variable, None), |(key, default)| (key, Some(default)));
    match context.fact(key) {
        Fact::One(value) => Some(value.to_owned()),
        // [A173]
        Fact::Absent | Fact::Many(_) | Fact::Torn => default.map(str::to_owned),
    }
}

fn spelled(pieces: &[Piece]) -> String {
    let spell = |piece: &Piece| match piece {
        Piece::Is(char) => *char,
        Piece::Run => '*',
        Piece::One => '?',
    };
    pieces.iter().map(spell).collect()
}

/// [A156] Segment by segment.
fn arn_fits(pattern: &[Piece], value: &str) -> bool {
    let wanted: Vec<&[Piece]> = pattern.splitn(6, |piece| *piece == Piece::Is(':')).collect();
    let value = segments(value);
    value.first() == Some(&"arn") && value.len() == 6 && wanted.len() == 6 && wanted.iter().zip(value).all(|(wanted, value)| covers(wanted, value))
}

/// [A157] A floating point number, which neither `inf` nor `nan` is.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|_| text.chars().all(|char| char.is_ascii_digit() || "+-.eE".contains(char)))
}

/// [A158] Seconds since 1970 and the digits of their fraction.
fn date(text: &str) -> Option<(i64, String)> {
    let digits = |text: &str, len: usize| text.parse::<i64>().ok().filter(|_| text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit()));
    let (day, time) = text.split_once('T').map_or((text, None), |(day, time)| (day, Some(time)));
    let mut parts = day.split('-');
    let year = parts.next().and_then(|text| digits(text, 4));
    let (month, day_of_month) = (parts.next(), parts.next());
    let (Some(year), None) = (year, parts.next()) else {
        return seconds_since_1970_as_number(text);
    };
    let in_range = |text: Option<&str>| text.map_or(Some(1), |text| digits(text, 2));
    let (month, day) = (in_range(month)?, day_of_month);
    if time.is_some() && day.is_none() {
        return None;
    }
    let day = in_range(day)?;
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let days = (1..month).map(|month| days_in(year, month)).sum::<i64>() + day - 1 + days_before(year);
    let (seconds, fraction) = time.map_or(Some((0, String::new())), time_of_day)?;
    Some((days * 86_400 + seconds, fraction))
}

/// Milliseconds count; what lies beyond the year 9999 is no date.
fn seconds_since_1970_as_number(text: &str) -> Option<(i64, String)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = seconds.parse().ok().filter(|seconds| *seconds < YEAR_10000 && digits(text.replacen('.', "", 1).as_str()))?;
    Some((seconds, fraction.trim_end_matches('0').to_owned()))
}

const YEAR_10000: i64 = 253_402_300_800;

/// The whole seconds of a date.
pub(super) fn seconds_since_1970(text: &str) -> Option<i64> {
    date(text).map(|(seconds, _)| seconds)
}

/// `hh:mm[:ss[.s…]]` and `Z` or an offset.
fn time_of_day(text: &str) -> Option<(i64, String)> {
    let two = |text: &str, max: i64| {
        text.parse::<i64>().ok().filter(|number| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) && *number <= max)
    };
    let (clock, offset) = match text.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = text.rfind(['+', '-'])?;
            let (clock, offset) = (text.get(..at)?, text.get(at..)?);
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let size = two(hours, 23)? * 3600 + two(minutes, 59)? * 60;
            (clock, if offset.starts_with('-') { -size } else { size })
        }
    };
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes, seconds) = (two(parts.next()?, 23)?, two(parts.next()?, 59)?, parts.next());
    let (seconds, fraction) =
        seconds.map_or(("00", None), |seconds| seconds.split_once('.').map_or((seconds, None), |(seconds, part)| (seconds, Some(part))));
    if fraction.is_some_and(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let fraction = fraction.unwrap_or_default().trim_end_matches('0').to_owned();
    Some((hours * 3600 + minutes * 60 + two(seconds, 59)? - offset, fraction))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970 to the year's first.
fn days_before(year: i64) -> i64 {
    let length = |year| if leap(year) { 366 } else { 365 };
    if year >= 1970 { (1970..year).map(length).sum() } else { -(year..1970).map(length).sum::<i64>() }
}

/// [A159] A network or one address.
fn ip_fits(wanted: &str, value: &str) -> Option<bool> {
    let (network, length) = wanted.split_once('/').map_or((wanted, None), |(network, length)| (network, Some(length)));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    };
    let (network, value) = (bits(network.parse().ok()?), bits(value.parse().ok()?));
    let length = length.map_or(Some(network.0), |length| length.parse().ok().filter(|length| *length <= network.0))?;
    Some(network.0 == value.0 && (length == 0 || network.1 >> (network.0 - length) == value.1 >> (network.0 - length)))
}

/// [A159]
fn base64(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let bits: Option<String> = digits.chars().map(|digit| DIGITS.find(digit).map(|value| format!("{value:06b}"))).collect();
    let bits = bits?;
    let whole = bits.len() - bits.len() % 8;
    if bits.get(whole..)?.contains('1') {
        return None;
    }
    let bits: Vec<char> = bits.chars().take(whole).collect();
    bits.chunks(8).map(|byte| u8::from_str_radix(&byte.iter().collect::<String>(), 2).ok()).collect()
}
