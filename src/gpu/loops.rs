//! How many passes an invocation's loops make at the most, read off a kernel's text and its shape.
//!
//! For drivers that end long loops without a word ([`DriverTraits::loop_limit`](super::DriverTraits)). The bound of a loop stands in
//! its line: numbers, constants, fields of the shape, parameters, and `let`s made of these. Where it depends on data, the line says
//! what it is at the most: `for (var k = begin; k < end; k++) { // at most u.inputs`, with ` in all` where that counts the loops
//! inside it too. A `let` may say so likewise.

/// What is known of a number: itself, or that it is no larger.
#[derive(Clone, Copy, Debug)]
struct Most {
    most: u64,
    exact: bool,
}

/// A kernel's text with the values of its shape's fields.
struct Shaped<'a> {
    text: &'a str,
    field: &'a dyn Fn(&str) -> Option<u32>,
}

/// A function, with what is known of its parameters where it is called.
struct Call<'a> {
    parameters: Vec<(&'a str, Option<Most>)>,
    body: &'a str,
}

/// How many passes the loops of one invocation of `entry` make at the most, each loop's last check counted; `field` gives the
/// fields of the uniform `u`. Branches count as if all were taken.
///
/// # Errors
/// The line of a loop whose bound is not told.
pub fn longest_loops(
    text: &str,
    entry: &str,
    field: &dyn Fn(&str) -> Option<u32>,
) -> Result<u64, String> {
    let text = without_comments(text);
    let shaped = Shaped { text: &text, field };
    match shaped.call(entry, Vec::new()) {
        Some(call) => shaped.passes(call.body, &call),
        None => Ok(0),
    }
}

/// The text without comments, but for those that say what is at the most, which become `@EXPRESSION@`.
fn without_comments(text: &str) -> String {
    // A line before the first, so that every declaration has one.
    let mut out = String::from("\n");
    for line in text.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        out += code;
        if let Some(most) = told(comment) {
            out += &format!("@{most}@");
        }
        out.push('\n');
    }
    out
}

/// `EXPRESSION` of ` at most EXPRESSION` or ` at most EXPRESSION: why`.
fn told(comment: &str) -> Option<&str> {
    let rest = comment.trim_start().strip_prefix("at most ")?;
    Some(
        rest.split_once(':')
            .map_or(rest, |(told, _)| told)
            .trim_end(),
    )
}

/// What stands between the signs at the beginning of what follows a `{` or a `;`.
fn told_after(text: &str) -> Option<&str> {
    let line = text.lines().next()?.trim_start();
    line.strip_prefix('@')?
        .split_once('@')
        .map(|(told, _)| told)
}

/// Where the bracket that `text` begins with is closed: what stands between, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

/// The next name that a bracket follows, and the text from that bracket on.
fn next_call(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(at) = text[from..].find('(').map(|at| from + at) {
        let before = text[..at].trim_end();
        let begins = before
            .rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map_or(0, |i| i + 1);
        if begins < before.len() {
            return Some((&before[begins..], &text[at..]));
        }
        from = at + 1;
    }
    None
}

impl<'a> Shaped<'a> {
    /// The function `name` of the text, called with these arguments.
    fn call(&self, name: &str, arguments: Vec<Option<Most>>) -> Option<Call<'a>> {
        let (before, _) = self.text.split_once(&format!("fn {name}("))?;
        let signature = &self.text[before.len() + "fn ".len() + name.len()..];
        let (parameters, rest) = bracketed(signature)?;
        let (body, _) = bracketed(&rest[rest.find('{')?..])?;
        // Commas stand in types too.
        let names = parameters
            .split(',')
            .filter_map(|part| part.split_once(':'))
            .map(|(name, _)| name.trim());
        Some(Call {
            parameters: names.zip(arguments).collect(),
            body,
        })
    }

    /// Passes of the loops in `block`, a part of the body of `of`, and in what it calls.
    fn passes(&self, block: &str, of: &Call<'_>) -> Result<u64, String> {
        let mut sum = 0u64;
        let mut rest = block;
        while let Some((name, from)) = next_call(rest) {
            rest = &from[1..];
            let line = || format!("{name} {}", from.lines().next().unwrap_or_default());
            let (inside, after) = bracketed(from).ok_or_else(line)?;
            if name != "for" {
                let values = arguments(inside).map(|argument| self.value(argument, of));
                if let Some(called) = self.call(name, values.collect()) {
                    sum = sum.saturating_add(self.passes(called.body, &called)?);
                }
                continue;
            }
            let (body, after) = bracketed(after.trim_start()).ok_or_else(line)?;
            rest = after;
            let own = match told_after(body).map(|told| (told, told.strip_suffix(" in all"))) {
                Some((_, Some(all))) => self.value(all, of).ok_or_else(line)?.most,
                Some((told, None)) => {
                    let most = self.value(told, of).ok_or_else(line)?.most;
                    self.repeated(most, body, of)?
                }
                None => {
                    let most = self.bound_of(inside, of).ok_or_else(line)?;
                    self.repeated(most, body, of)?
                }
            };
            sum = sum.saturating_add(own);
        }
        Ok(sum)
    }

    /// Passes of a loop over `body` and of those in it, each with the check that ends it.
    fn repeated(&self, most: u64, body: &str, of: &Call<'_>) -> Result<u64, String> {
        let each = self.passes(body, of)?.saturating_add(1);
        Ok(most.saturating_mul(each).saturating_add(1))
    }

    /// How often a loop with this header passes: `var k = FIRST; k < END; k++` or `k += STEP`.
    fn bound_of(&self, header: &str, of: &Call<'_>) -> Option<u64> {
        let mut parts = header.split(';').map(str::trim);
        let (first, check, step) = (parts.next()?, parts.next()?, parts.next()?);
        let end = self.value(check.split_once('<')?.1, of)?;
        let first = self.value(first.split_once('=')?.1, of);
        let step = match step.split_once("+=") {
            Some((_, step)) => self.value(step, of).filter(|s| s.exact)?.most,
            None => 1,
        };
        // Counted from 0 where the beginning is not known.
        let first = first.filter(|f| f.exact).map_or(0, |f| f.most);
        Some(end.most.saturating_sub(first).div_ceil(step.max(1)))
    }

    /// The largest value of an expression in `of`.
    fn value(&self, expression: &str, of: &Call<'_>) -> Option<Most> {
        let mut reader = ExpressionReader {
            shaped: self,
            of,
            rest: expression,
        };
        reader.sum()
    }

    /// A literal, a field of the shape, a parameter, a constant, or a `let`.
    fn named(&self, name: &str, of: &Call<'_>) -> Option<Most> {
        let exact = |most: u64| Most { most, exact: true };
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return name.trim_end_matches('u').parse().ok().map(exact);
        }
        if let Some(field) = name.strip_prefix("u.") {
            return (self.field)(field).map(|value| exact(value.into()));
        }
        if let Some((_, value)) = of.parameters.iter().find(|(known, _)| *known == name) {
            return *value;
        }
        let constant = self.text.split_once(&format!("\nconst {name}: u32 = "));
        let local = of.body.split_once(&format!("let {name} = "));
        let (_, rest) = constant.or(local)?;
        let (expression, after) = rest.split_once(';')?;
        self.value(told_after(after).unwrap_or(expression), of)
    }
}

/// Reads one expression from left to right.
struct ExpressionReader<'a> {
    shaped: &'a Shaped<'a>,
    of: &'a Call<'a>,
    rest: &'a str,
}

impl ExpressionReader<'_> {
    /// Whether the next sign is this one, which is then behind.
    fn sign(&mut self, signs: &[char]) -> Option<char> {
        let next = self.rest.trim_start();
        let sign = next.chars().next().filter(|c| signs.contains(c))?;
        self.rest = &next[1..];
        Some(sign)
    }

    fn sum(&mut self) -> Option<Most> {
        let mut left = self.product();
        while let Some(sign) = self.sign(&['+', '-']) {
            let right = self.product();
            left = match (sign, left, right) {
                ('+', Some(a), Some(b)) => Some(Most {
                    most: a.most.saturating_add(b.most),
                    exact: a.exact && b.exact,
                }),
                ('-', Some(a), Some(b)) if a.exact && b.exact => Some(Most {
                    most: a.most.saturating_sub(b.most),
                    exact: true,
                }),
                ('-', Some(a), _) => Some(Most { exact: false, ..a }),
                _ => None,
            };
        }
        left
    }

    fn product(&mut self) -> Option<Most> {
        let mut left = self.atom();
        while let Some(sign) = self.sign(&['*', '/', '%']) {
            let right = self.atom();
            left = match (sign, left, right) {
                ('*', Some(a), Some(b)) => Some(Most {
                    most: a.most.saturating_mul(b.most),
                    exact: a.exact && b.exact,
                }),
                ('/', Some(a), Some(b)) if b.exact && b.most > 0 => Some(Most {
                    most: a.most / b.most,
                    exact: a.exact,
                }),
                ('/', Some(a), _) => Some(Most { exact: false, ..a }),
                ('%', _, Some(b)) => Some(Most {
                    most: b.most.saturating_sub(1),
                    exact: false,
                }),
                _ => None,
            };
        }
        left
    }

    fn atom(&mut self) -> Option<Most> {
        self.rest = self.rest.trim_start();
        let length = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
            .unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at(length);
        if !after.starts_with('(') {
            self.rest = after;
            return self.shaped.named(name, self.of);
        }
        let (inside, after) = bracketed(after)?;
        self.rest = after;
        let arguments: Vec<_> = arguments(inside)
            .map(|argument| self.shaped.value(argument, self.of))
            .collect();
        match (name, &arguments[..]) {
            ("" | "u32", &[value]) => value,
            ("min", &[Some(a), Some(b)]) => Some(Most {
                most: a.most.min(b.most),
                exact: a.exact && b.exact,
            }),
            ("min", &[Some(known), None] | &[None, Some(known)]) => Some(Most {
                exact: false,
                ..known
            }),
            ("max" | "select", &[Some(a), Some(b), ..]) => Some(Most {
                most: a.most.max(b.most),
                exact: false,
            }),
            _ => None,
        }
    }
}

/// What stands between the commas of a call.
fn arguments(inside: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0usize;
    inside.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(body: &str) -> Result<u64, String> {
        let text = format!(
            "const TILE: u32 = 4u;\nfn inner(k: u32) {{ for (var j = 0u; j < 9u; j++) {{ }} }}\nfn entry(x: u32) {{\n{body}\n}}\n"
        );
        longest_loops(&text, "entry", &|name| match name {
            "n" => Some(100),
            "stride" => Some(3),
            _ => None,
        })
    }

    #[test]
    fn passes_and_last_checks_of_all_loops_count() {
        assert_eq!(passes("return;"), Ok(0));
        assert_eq!(passes("for (var k = 0u; k < u.n; k++) { }"), Ok(101));
        // As lavapipe counts: 65,535 / 3 outer passes with one inner pass each.
        let nested = "for (var i = 0u; i < u.n; i++) {\nfor (var j = 0u; j < 1u; j++) { x(); }\n}";
        assert_eq!(passes(nested), Ok(301));
        assert_eq!(
            passes("for (var k = 2u; k < u.n; k += TILE) { inner(k); }"),
            Ok(25 * 11 + 1)
        );
    }

    #[test]
    fn bounds_are_expressions() {
        let of = |bound: &str| passes(&format!("for (var k = 0u; k < {bound}; k++) {{ }}"));
        assert_eq!(of("(u.n + 3u) / TILE"), Ok(26));
        assert_eq!(of("min(u.n * 2u, table[3] + 1u)"), Ok(201));
        assert_eq!(of("u.n - x / 2u"), Ok(101));
        // What divides must be known, not only how large it can be.
        assert_eq!(of("u.n / min(u.stride, x)"), Ok(101));
        assert_eq!(of("select(u.n, u.stride, x == 1u)"), Ok(101));
        assert_eq!(
            passes("let end = u.n + 1u;\nfor (var k = x; k < end; k++) { }"),
            Ok(102)
        );
    }

    #[test]
    fn what_depends_on_data_must_be_told() {
        let line = "for (var k = begin; k < end; k++) {";
        assert!(
            passes(&format!("{line}\n}}"))
                .unwrap_err()
                .contains("k < end")
        );
        assert_eq!(
            passes(&format!("{line} // at most u.n * 2u: a row\n}}")),
            Ok(201)
        );
        let inside = "for (var j = 0u; j < table[k]; j++) { }\n}";
        assert_eq!(
            passes(&format!("{line} // at most u.n in all\n{inside}")),
            Ok(100)
        );
        let told = "let end = table[x]; // at most u.n";
        assert_eq!(passes(&format!("{told}\n{line}\n}}")), Ok(101));
    }

    #[test]
    fn parameters_are_what_is_handed_over() {
        let text = "fn sum(to: ptr<function, array<f32, 2>>, terms: u32) {\nfor (var k = 0u; k < terms; k++) { }\n}\nfn entry() { sum(&all, u.n * 2u); sum(&all, 7u); }";
        assert_eq!(longest_loops(text, "entry", &|_| Some(10)), Ok(21 + 8));
    }
}
