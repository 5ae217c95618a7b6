//! From a template's text to its blocks.

use comity_core::Value;

use crate::TemplateError;

/// A part of a template.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// Text outside braces, or an expression.
    Steps(Vec<Step>),
    /// `{range …}` up to its `{end}`.
    Range(Vec<Step>, Vec<Block>),
}

/// A step of an expression: from a list of values to a list of values.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A constant: a quoted text, a number or a boolean.
    Constant(Value),
    Field(String),
    Wildcard,
    Recursive,
    Slice {
        from: Option<i64>,
        to: Option<i64>,
        step: Option<i64>,
        /// One index: `to` is the one after `from`.
        single: bool,
    },
    Union(Vec<Vec<Step>>),
    /// Items for which the path exists.
    Exists(Vec<Step>),
    /// Items for which a comparison holds.
    Compare(Vec<Step>, String, Vec<Step>),
    /// A word that is none of the known ones; an error when it is run.
    Word(String),
}

type Result<T> = std::result::Result<T, TemplateError>;

pub(crate) fn template(text: &str) -> Result<Vec<Block>> {
    let mut flat = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            flat.push(vec![Step::Constant(Value::String(rest[..open].to_owned()))]);
        }
        let (steps, after) = action(&rest[open + 1..])?;
        flat.push(steps);
        rest = after;
    }
    if !rest.is_empty() {
        flat.push(vec![Step::Constant(Value::String(rest.to_owned()))]);
    }
    Ok(nest(&mut flat.into_iter(), true))
}

/// Puts what stands between `range` and `end` into blocks of its own.
fn nest(flat: &mut impl Iterator<Item = Vec<Step>>, top: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    while let Some(mut steps) = flat.next() {
        let word = steps.iter().position(|step| matches!(step, Step::Word(_)));
        match word.map(|at| (at, &steps[at])) {
            Some((at, Step::Word(word))) if word == "range" => {
                steps.remove(at);
                let body = nest(flat, false);
                blocks.push(Block::Range(steps, body));
            }
            Some((_, Step::Word(word))) if word == "end" && !top => return blocks,
            _ => blocks.push(Block::Steps(steps)),
        }
    }
    blocks
}

/// Reads an expression up to its closing brace; answers what follows too.
fn action(text: &str) -> Result<(Vec<Step>, &str)> {
    let mut steps = Vec::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((steps, after));
        }
        if let Some(after) = rest.strip_prefix("[?(") {
            rest = filter(after, &mut steps)?;
            continue;
        }
        if let Some(after) = rest.strip_prefix("..") {
            if matches!(steps.last(), Some(Step::Recursive)) {
                return Err(TemplateError::new("invalid multiple recursive descent"));
            }
            steps.push(Step::Recursive);
            rest = if after.starts_with(is_word) { field(after, &mut steps) } else { after };
            continue;
        }
        let Some(c) = rest.chars().next().filter(|c| !matches!(c, '\r' | '\n')) else {
            return Err(TemplateError::new("unclosed action"));
        };
        let after = &rest[c.len_utf8()..];
        rest = match c {
            ' ' | '@' | '$' => after,
            '[' => array(after, &mut steps)?,
            '"' | '\'' => quoted(after, c, &mut steps)?,
            '.' => field(after, &mut steps),
            '+' | '-' | '0'..='9' => number(rest, &mut steps)?,
            c if is_word(c) => word(rest, &mut steps),
            c => return Err(TemplateError::new(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c)))),
        };
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn ends_name(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

fn field<'t>(text: &'t str, steps: &mut Vec<Step>) -> &'t str {
    let mut name = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            name.extend(chars.next().map(|(_, c)| c));
        } else if ends_name(c) {
            end = at;
            break;
        } else {
            name.push(c);
        }
    }
    steps.push(if &text[..end] == "*" { Step::Wildcard } else { Step::Field(name) });
    &text[end..]
}

fn word<'t>(text: &'t str, steps: &mut Vec<Step>) -> &'t str {
    let end = text.find(ends_name).unwrap_or(text.len());
    steps.push(match &text[..end] {
        "true" => Step::Constant(Value::Bool(true)),
        "false" => Step::Constant(Value::Bool(false)),
        word => Step::Word(word.to_owned()),
    });
    &text[end..]
}

fn number<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str> {
    let signed = usize::from(text.starts_with(['+', '-']));
    let end = text[signed..].find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(text.len(), |at| at + signed);
    let number = &text[..end];
    let value = match number.parse::<i64>() {
        Ok(int) => Value::from(int),
        Err(_) => number.parse::<f64>().ok().filter(|f| f.is_finite()).map(Value::from).unwrap_or_default(),
    };
    if value.is_null() {
        return Err(TemplateError::new(format!("cannot parse number {number}")));
    }
    steps.push(Step::Constant(value));
    Ok(&text[end..])
}

fn quoted<'t>(text: &'t str, quote: char, steps: &mut Vec<Step>) -> Result<&'t str> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => break,
            c if c == quote => {
                steps.push(Step::Constant(Value::String(out)));
                return Ok(&text[at + 1..]);
            }
            '\\' => {
                let refuse = || TemplateError::new(format!("unquote string {quote}{text} error invalid syntax"));
                // The escapes of Go's strings.
                let escaped = match chars.next().map(|(_, c)| c) {
                    Some('a') => Some('\u{7}'),
                    Some('b') => Some('\u{8}'),
                    Some('f') => Some('\u{c}'),
                    Some('n') => Some('\n'),
                    Some('r') => Some('\r'),
                    Some('t') => Some('\t'),
                    Some('v') => Some('\u{b}'),
                    Some('\\') => Some('\\'),
                    Some(c) if c == quote => Some(c),
                    Some(kind @ ('x' | 'u' | 'U')) => {
                        let digits = match kind {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let mut value = Some(0_u32);
                        for _ in 0..digits {
                            let digit = chars.next().and_then(|(_, c)| c.to_digit(16));
                            value = value.zip(digit).and_then(|(value, digit)| value.checked_mul(16)?.checked_add(digit));
                        }
                        value.and_then(char::from_u32)
                    }
                    _ => None,
                };
                out.push(escaped.ok_or_else(refuse)?);
            }
            c => out.push(c),
        }
    }
    Err(TemplateError::new("unterminated quoted string"))
}

/// What stands in brackets: an index, a slice, a quoted name, or several of them.
fn array<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str> {
    let end = text.find([']', '\n']).filter(|at| text[*at..].starts_with(']'));
    let Some(end) = end else { return Err(TemplateError::new("unterminated array")) };
    let (inner, after) = (&text[..end], &text[end + 1..]);
    if inner.contains(',') {
        let parts = inner.split(',').map(|part| inside(&format!("[{}]", part.trim_matches(' '))));
        steps.push(Step::Union(parts.collect::<Result<_>>()?));
        return Ok(after);
    }
    if let Some(name) = inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).filter(|name| !name.contains('\'')) {
        steps.extend(inside(&format!(".{name}"))?);
        return Ok(after);
    }
    let refuse = || TemplateError::new(format!("invalid array index {inner}"));
    let parts: Vec<&str> = if inner == "*" { vec!["", ""] } else { inner.split(':').collect() };
    if parts.len() > 3 {
        return Err(refuse());
    }
    let bound = |at: usize| match parts.get(at) {
        None | Some(&"") => Ok(None),
        Some(number) => {
            let digits = number.strip_prefix('-').unwrap_or(number);
            match number.parse::<i64>() {
                Ok(number) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(number)),
                _ => Err(refuse()),
            }
        }
    };
    let (from, to, step) = (bound(0)?, bound(1)?, bound(2)?);
    steps.push(Step::Slice { from, to, step, single: parts.len() == 1 });
    Ok(after)
}

fn inside(text: &str) -> Result<Vec<Step>> {
    action(&format!("{text}}}")).map(|(steps, _)| steps)
}

fn filter<'t>(text: &'t str, steps: &mut Vec<Step>) -> Result<&'t str> {
    let (mut quote, mut closed, mut last, mut end) = (None, false, ' ', None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            ('\n', _) => break,
            ('"' | '\'', None) => quote = Some(c),
            ('"' | '\'', Some(open)) if c == open && last != '\\' => closed = true,
            (')', _) if quote.is_some() == closed => {
                end = Some(at);
                break;
            }
            _ => {}
        }
        last = c;
    }
    let Some(end) = end else { return Err(TemplateError::new("unterminated filter")) };
    let Some(after) = text[end + 1..].strip_prefix(']') else { return Err(TemplateError::new("unclosed array expect ]")) };
    let condition = &text[..end];
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let from = condition.find(is_operator).filter(|at| *at > 0);
    let to = from.map(|from| condition[from..].find(|c| !is_operator(c)).map_or(condition.len(), |at| from + at));
    steps.push(match from.zip(to).filter(|(_, to)| *to < condition.len()) {
        Some((from, to)) => Step::Compare(inside(&condition[..from])?, condition[from..to].to_owned(), inside(&condition[to..])?),
        None => Step::Exists(inside(condition)?),
    });
    Ok(after)
}
