//! FNV-1a over the definition of events. It must not depend on the compiler or on how the source is laid out, hence it
//! hashes token by token instead of printed tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;

pub struct Fingerprint(u64);

impl Fingerprint {
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub fn text(&mut self, text: &str) {
        // 0xff is in no UTF-8 text: it keeps "ab", "c" apart from "a", "bc"
        for byte in text.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub fn tokens(&mut self, tokens: impl ToTokens) {
        self.stream(tokens.into_token_stream());
    }

    fn stream(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.text(&ident.unraw().to_string()),
                TokenTree::Punct(punct) => self.text(punct.as_char().encode_utf8(&mut [0; 4])),
                TokenTree::Literal(literal) => self.text(&literal.to_string()),
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        // put there by `macro_rules!`, not by the user
                        Delimiter::None => {
                            self.stream(group.stream());
                            continue;
                        }
                    };
                    self.text(open);
                    self.stream(group.stream());
                    self.text(close);
                }
            }
        }
    }

    pub const fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> u64 {
        let mut fingerprint = Fingerprint::new();
        fingerprint.tokens(source.parse::<TokenStream>().unwrap());
        fingerprint.finish()
    }

    #[test]
    fn layout_does_not_count_and_everything_else_does() {
        assert_eq!(of("a: Vec< Option<u8> >"), of("a :\n  Vec<Option<u8>>"));
        assert_eq!(of("r#type: u8"), of("type: u8"));
        assert_ne!(of("a: Vec<u8>"), of("a: Vec<i8>"));
        assert_ne!(of("ab c"), of("a bc"));
        assert_ne!(of("(a)"), of("[a]"));
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // the reference value for the four bytes "foo\xff" is computed by hand: FNV-1a of "foo" is dcb27518fed9d577
        let mut fingerprint = Fingerprint::new();
        fingerprint.text("foo");
        let expected = (0xdcb2_7518_fed9_d577_u64 ^ 0xff).wrapping_mul(0x0100_0000_01b3);
        assert_eq!(fingerprint.finish(), expected);
    }
}
