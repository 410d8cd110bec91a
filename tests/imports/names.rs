//! The types that a file declares.

use proc_macro2::{TokenStream, TokenTree};

/// Names of structs, enums, traits and type aliases, in macros too; not of associated types, and not of what tests declare.
pub fn types(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let tokens: TokenStream = source.parse().unwrap();
    let mut found = Vec::new();
    collect(tokens, false, &mut found);
    found
}

/// `within`: inside of an `impl` or a `trait`, where `type` names an associated type.
fn collect(tokens: TokenStream, within: bool, found: &mut Vec<String>) {
    let mut block_of_impl = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) => {
                let declares = match word.to_string().as_str() {
                    "struct" | "enum" | "union" => true,
                    "trait" => {
                        block_of_impl = true;
                        true
                    }
                    "type" => !within,
                    "impl" => {
                        block_of_impl = true;
                        false
                    }
                    _ => false,
                };
                if let (true, Some(TokenTree::Ident(name))) = (declares, tokens.peek()) {
                    found.push(name.to_string());
                }
            }
            TokenTree::Group(group) => {
                let braces = group.delimiter() == proc_macro2::Delimiter::Brace;
                collect(group.stream(), within || (braces && block_of_impl), found);
                if braces {
                    block_of_impl = false;
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[test]
fn types_are_found_in_macros_and_associated_ones_are_not() {
    let source = "pub struct A; table! { pub struct B { a: u8; } } trait C { type D; } \
                  impl C for A { type D = u8; } type E = u8; fn f() { enum G {} } \
                  impl<T> From<T> for A where T: C { fn from(t: T) -> A { struct H; A } } \
                  #[cfg(test)] mod tests { struct A; }";
    assert_eq!(types(source), ["A", "B", "C", "E", "G", "H"]);
}
