//! Loops over a register tile, written out before compilation.
//!
//! A driver's compiler keeps an array in registers only where every index into it is a constant. NVIDIA's does not unroll a
//! loop through more than a few vec4s by itself, and its accumulators then lie in memory: a product ran 14 times slower
//! (docs/performance.md).

/// The constants that say how large a tile is, how much of it an invocation loads, and how many terms stand in workgroup memory.
const TILE: [&str; 5] = ["ROWS", "COLS", "LEFT_LOADS", "RIGHT_LOADS", "DEPTH"];

/// `text` with each loop `for (var k = 0u; k < ROWS; k++) { ... }`, or up to `COLS`, `ROWS / 4u` and the like, replaced by its
/// passes, a block each with `0u`, `1u`, ... in place of `k`. Sums keep their order.
pub(super) fn unroll_tiles(text: &str) -> String {
    unrolled(text, &|bound| {
        let of_a_tile = bound.split(' ').any(|word| TILE.contains(&word));
        of_a_tile.then(|| value_of(text, bound)).flatten()
    })
}

/// The value of `8u`, of `ROWS` where `text` declares it, or of `ROWS * 4u / COLS`.
fn value_of(text: &str, expression: &str) -> Option<u32> {
    if let Some((first, last, divide)) = last_operation(expression) {
        let (first, last) = (value_of(text, first)?, value_of(text, last)?);
        return if divide {
            first.checked_div(last)
        } else {
            first.checked_mul(last)
        };
    }
    match expression.strip_suffix('u').and_then(|n| n.parse().ok()) {
        Some(number) => Some(number),
        None => {
            let declaration = format!("\nconst {expression}: u32 = ");
            let (_, rest) = text.split_once(&declaration)?;
            value_of(text, rest.split_once(';')?.0)
        }
    }
}

/// What stands on both sides of the last ` * ` or ` / `, and whether it divides.
fn last_operation(expression: &str) -> Option<(&str, &str, bool)> {
    let times = expression.rfind(" * ");
    let at = times.max(expression.rfind(" / "))?;
    let divide = times != Some(at);
    Some((&expression[..at], &expression[at + 3..], divide))
}

fn unrolled(text: &str, size: &dyn Fn(&str) -> Option<u32>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("for (var ") {
        let (before, from) = rest.split_at(at);
        out += before;
        rest = match TileLoop::at_start(from, size) {
            Some(found) => {
                let body = unrolled(found.body, size);
                for pass in 0..found.passes {
                    out += &format!("{{{}}}", with_value(&body, found.counter, pass));
                }
                found.after
            }
            None => {
                let (word, after) = from.split_at("for".len());
                out += word;
                after
            }
        };
    }
    out + rest
}

/// A loop over a tile.
struct TileLoop<'t> {
    counter: &'t str,
    passes: u32,
    body: &'t str,
    /// What comes behind it.
    after: &'t str,
}

impl<'t> TileLoop<'t> {
    /// The one that a text begins with.
    fn at_start(text: &'t str, size: &dyn Fn(&str) -> Option<u32>) -> Option<Self> {
        let (counter, rest) = text.strip_prefix("for (var ")?.split_once(" = 0u; ")?;
        let rest = rest.strip_prefix(counter)?.strip_prefix(" < ")?;
        let (bound, rest) = rest.split_once("; ")?;
        let rest = rest.strip_prefix(counter)?.strip_prefix("++) ")?;
        let close = closing(rest)?;
        Some(Self {
            counter,
            passes: size(bound)?,
            body: &rest[1..close],
            after: &rest[close + 1..],
        })
    }
}

/// Where the brace that a text begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at),
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// `text` with a number in place of each word `name`.
fn with_value(text: &str, name: &str, value: u32) -> String {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, from) = rest.split_at(at);
        let after = &from[name.len()..];
        out += before;
        // A member, as in `v.x`, is no variable.
        let inside =
            out.ends_with(|c| part_of_word(c) || c == '.') || after.starts_with(part_of_word);
        out += &if inside {
            name.to_owned()
        } else {
            format!("{value}u")
        };
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tile_loops_become_their_passes() {
        let text = "\nconst ROWS: u32 = 2u;\nconst COLS: u32 = 3u;\nfor (var i = 0u; i < u.inputs; i++) {\n  for (var k = 0u; k < ROWS; k++) { w[k] = kk + a.k; for (var c = 0u; c < COLS; c++) { s[k * COLS + c]++; } }\n}\nfor (var q = 0u; q < ROWS / 2u; q++) { q; }";
        let want = "\nconst ROWS: u32 = 2u;\nconst COLS: u32 = 3u;\nfor (var i = 0u; i < u.inputs; i++) {\n  { w[0u] = kk + a.k; { s[0u * COLS + 0u]++; }{ s[0u * COLS + 1u]++; }{ s[0u * COLS + 2u]++; } }{ w[1u] = kk + a.k; { s[1u * COLS + 0u]++; }{ s[1u * COLS + 1u]++; }{ s[1u * COLS + 2u]++; } }\n}\n{ 0u; }";
        assert_eq!(unroll_tiles(text), want);
    }

    #[test]
    fn other_loops_stay() {
        let text = "\nconst ROWS: u32 = 2u;\nfor (var k = 1u; k < ROWS; k++) { a; }\nfor (var k = 0u; k < COLS; k++) { b; }\n";
        assert_eq!(unroll_tiles(text), text);
    }
}
