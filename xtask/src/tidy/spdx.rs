//! SPDX licence expressions, read just enough to tell whether one of the allowed licences covers a package.

/// Whether the expression can be fulfilled with licences for which `allowed` is true. Unreadable expressions cannot.
pub fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    // `MIT/Apache-2.0` is the old way to write OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { tokens: &tokens, allowed };
    parser.any().is_some_and(|fulfilled| fulfilled && parser.tokens.is_empty())
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn eat(&mut self, word: &str) -> bool {
        let found = self.tokens.first() == Some(&word);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn any(&mut self) -> Option<bool> {
        let mut fulfilled = self.all()?;
        while self.eat("OR") {
            fulfilled |= self.all()?;
        }
        Some(fulfilled)
    }

    fn all(&mut self) -> Option<bool> {
        let mut fulfilled = self.one()?;
        while self.eat("AND") {
            fulfilled &= self.one()?;
        }
        Some(fulfilled)
    }

    fn one(&mut self) -> Option<bool> {
        if self.eat("(") {
            let inner = self.any()?;
            return self.eat(")").then_some(inner);
        }
        let name = self.next()?;
        if self.eat("WITH") {
            let exception = self.next()?;
            return Some((self.allowed)(&format!("{name} WITH {exception}")));
        }
        Some((self.allowed)(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(expression: &str) -> bool {
        satisfied(expression, &|name| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].contains(&name))
    }

    #[test]
    fn one_alternative_is_enough_and_all_parts_are_needed() {
        assert!(ok("MIT"));
        assert!(ok("GPL-3.0 OR MIT"));
        assert!(ok("MIT/Unlicense"));
        assert!(ok("(MIT OR GPL-2.0) AND Apache-2.0"));
        assert!(ok("Apache-2.0 WITH LLVM-exception"));
        assert!(!ok("MIT AND GPL-3.0"));
        assert!(!ok("MPL-2.0"));
        assert!(!ok("MIT WITH GPL-exception"));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        for broken in ["", "(MIT", "MIT)", "MIT OR", "MIT MIT", "AND"] {
            assert!(!ok(broken), "{broken}");
        }
    }
}
