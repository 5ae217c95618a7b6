//! Label and field selectors: the text grammar and the object form.

use std::fmt;

use serde_json::{Map, Value};

/// A label selector: all requirements must hold; none selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// The requirements, in the order written.
    pub requirements: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// What must hold.
    pub operator: Operator,
    /// Values for `In` and `NotIn`; one whole number for `GreaterThan` and `LessThan`.
    pub values: Vec<String>,
}

/// Operators of a label requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// Why a selector cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);

impl LabelSelector {
    /// Reads the text form: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
    ///
    /// # Errors
    /// The text does not follow the grammar, or a key or value is not allowed.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        for part in split_top(text) {
            let part = part.trim();
            if part.is_empty() {
                if text.trim().is_empty() {
                    break;
                }
                return Err(unable(text, "found ',', expected: identifier"));
            }
            requirements.push(requirement(part).map_err(|why| unable(text, &why))?);
        }
        Ok(Self { requirements })
    }

    /// Reads the object form `{matchLabels, matchExpressions}`.
    ///
    /// # Errors
    /// An operator is unknown or misses its values.
    pub fn from_object(selector: &Value) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_object) {
            for (key, value) in labels {
                let value = value.as_str().unwrap_or_default().to_owned();
                requirements.push(Requirement { key: key.clone(), operator: Operator::In, values: vec![value] });
            }
        }
        for expression in crate::object::items_at(selector, &["matchExpressions"]) {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            let values: Vec<String> =
                crate::object::items_at(expression, &["values"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError(format!("{other:?} is not a valid label selector operator"))),
            };
            let needs_values = matches!(operator, Operator::In | Operator::NotIn);
            if needs_values == values.is_empty() {
                let must = if needs_values { "must be non-empty" } else { "must be empty" };
                return Err(SelectorError(format!("values of {key:?}: {must} for this operator")));
            }
            requirements.push(Requirement { key, operator, values });
        }
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels, given as a lookup, satisfy every requirement.
    pub fn matches_with<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|r| {
            let value = get(&r.key);
            match r.operator {
                Operator::In => value.is_some_and(|v| r.values.iter().any(|x| x == v)),
                Operator::NotIn => !value.is_some_and(|v| r.values.iter().any(|x| x == v)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
                Operator::GreaterThan => numbers(value, &r.values).is_some_and(|(label, bound)| label > bound),
                Operator::LessThan => numbers(value, &r.values).is_some_and(|(label, bound)| label < bound),
            }
        })
    }

    /// Whether a label map satisfies every requirement.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }
}

/// The text form, as `labelSelector` query parameters and `status.selector` fields carry it.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, r) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match (r.operator, r.values.as_slice()) {
                (Operator::In, [one]) => write!(f, "{}={one}", r.key)?,
                (Operator::In, many) => write!(f, "{} in ({})", r.key, many.join(","))?,
                (Operator::NotIn, [one]) => write!(f, "{}!={one}", r.key)?,
                (Operator::NotIn, many) => write!(f, "{} notin ({})", r.key, many.join(","))?,
                (Operator::Exists, _) => f.write_str(&r.key)?,
                (Operator::DoesNotExist, _) => write!(f, "!{}", r.key)?,
                (Operator::GreaterThan, values) => write!(f, "{}>{}", r.key, values.join(","))?,
                (Operator::LessThan, values) => write!(f, "{}<{}", r.key, values.join(","))?,
            }
        }
        Ok(())
    }
}

/// A label and the bound it is compared with; labels that are no whole numbers are not comparable.
fn numbers(label: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    Some((label?.parse().ok()?, values.first()?.parse().ok()?))
}

/// Splits at commas outside parentheses.
fn split_top(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let made = |key: &str, operator, values: Vec<&str>| {
        let key = key.trim().to_owned();
        let values: Vec<String> = values.into_iter().map(|v| v.trim().to_owned()).collect();
        if let Some(why) = crate::names::qualified_name(&key).first() {
            return Err(format!("key: Invalid value: {key:?}: {why}"));
        }
        if let Some(why) = values.iter().find_map(|v| crate::names::label_value(v).into_iter().next()) {
            return Err(format!("values[0][{key}]: Invalid value: {:?}: {why}", values.first().map_or("", String::as_str)));
        }
        Ok(Requirement { key, operator, values })
    };
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Operator::NotIn, vec![value]);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Operator::In, vec![value]);
    }
    for (sign, operator) in [('>', Operator::GreaterThan), ('<', Operator::LessThan)] {
        if let Some((key, value)) = part.split_once(sign) {
            let bound = value.trim();
            if bound.parse::<i64>().is_err() {
                return Err(format!(
                    "values[0][{}]: Invalid value: {bound:?}: for 'Gt', 'Lt' operators, the value must be an integer",
                    key.trim()
                ));
            }
            return made(key, operator, vec![bound]);
        }
    }
    if let Some(open) = part.find('(') {
        let list = part[open + 1..].strip_suffix(')').ok_or("found '', expected: ',' or ')'")?.split(',').collect();
        let (key, word) =
            part[..open].trim().rsplit_once(char::is_whitespace).ok_or_else(|| format!("found '{part}', expected: 'in' or 'notin'"))?;
        return match word {
            "in" => made(key, Operator::In, list),
            "notin" => made(key, Operator::NotIn, list),
            other => Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    match part.strip_prefix('!') {
        Some(key) => made(key, Operator::DoesNotExist, vec![]),
        None if part.contains(char::is_whitespace) => {
            let word = part.split_whitespace().nth(1).unwrap_or_default();
            Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt"))
        }
        None => made(part, Operator::Exists, vec![]),
    }
}

fn unable(text: &str, why: &str) -> SelectorError {
    let _ = text;
    SelectorError(format!("unable to parse requirement: {why}"))
}

/// A field selector: `a=b,c!=d` on fields that a resource names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// The terms, in the order written.
    pub terms: Vec<FieldTerm>,
}

/// One term of a field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// Field, such as `metadata.name`.
    pub field: String,
    /// Value it must have (or must not have).
    pub value: String,
    /// Whether it must equal.
    pub equal: bool,
}

impl FieldSelector {
    /// Reads the text form; `\,`, `\=` and `\\` escape.
    ///
    /// # Errors
    /// A term has no operator.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for part in split_escaped(text) {
            if part.is_empty() {
                continue;
            }
            let (field, value, equal) = if let Some((f, v)) = part.split_once("!=") {
                (f, v, false)
            } else if let Some((f, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (f, v, true)
            } else {
                return Err(SelectorError(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            terms.push(FieldTerm { field: field.to_owned(), value: unescape(value), equal });
        }
        Ok(Self { terms })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must equal, if one is asked for.
    pub fn required(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.field == field).map(|t| t.value.as_str())
    }

    /// Whether fields, given as a lookup, satisfy every term; an absent field is empty.
    pub fn matches_with(&self, get: impl Fn(&str) -> String) -> bool {
        self.terms.iter().all(|t| (get(&t.field) == t.value) == t.equal)
    }
}

fn split_escaped(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_whole_grammar() {
        let text = "a=b,c!=d,e in (f,g),h notin (i),j,!k";
        let selector = LabelSelector::parse(text).unwrap();
        assert_eq!(selector.to_string(), "a=b,c!=d,e in (f,g),h!=i,j,!k");
        assert!(selector.matches(json!({"a":"b","e":"g","j":""}).as_object()));
        assert!(!selector.matches(json!({"a":"b","e":"g","j":"","k":"x"}).as_object()));
        assert!(!selector.matches(None));
        assert!(LabelSelector::parse("").unwrap().matches(None));
    }

    #[test]
    fn labels_are_compared_as_whole_numbers() {
        let selector = LabelSelector::parse("a>1,b < 3").unwrap();
        assert_eq!(selector.to_string(), "a>1,b<3");
        assert!(selector.matches(json!({"a":"2","b":"-7"}).as_object()));
        assert!(!selector.matches(json!({"a":"1","b":"2"}).as_object()));
        assert!(!selector.matches(json!({"a":"many","b":"2"}).as_object()));
        assert!(!selector.matches(json!({"b":"2"}).as_object()));
        assert!(LabelSelector::parse("a>x").is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in ["a b", "a in b", "a=b,,c=d", "-=x", "a=b c"] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn object_form() {
        let selector =
            LabelSelector::from_object(&json!({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"Exists"}]})).unwrap();
        assert_eq!(selector.to_string(), "a=b,c");
        assert!(LabelSelector::from_object(&json!({"matchExpressions":[{"key":"c","operator":"In"}]})).is_err());
    }

    #[test]
    fn fields() {
        let selector = FieldSelector::parse(r"metadata.name=a\,b,status.phase!=Running").unwrap();
        assert_eq!(selector.required("metadata.name"), Some("a,b"));
        assert!(selector.matches_with(|f| if f == "metadata.name" { "a,b".into() } else { String::new() }));
        assert!(FieldSelector::parse("x").is_err());
    }
}
