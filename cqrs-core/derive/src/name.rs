//! The rules of names that end up in the log. The core checks the same ones again for names made at run time.

/// `DepositedV2` becomes `deposited_v2`, `HTTPCalled` becomes `http_called`.
pub fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (i, &c) in chars.iter().enumerate() {
        if c.is_uppercase() {
            let before = i.checked_sub(1).and_then(|before| chars.get(before));
            let ends_word = before.is_some_and(|b| b.is_lowercase() || b.is_numeric());
            let starts_word = chars.get(i + 1).is_some_and(|after| after.is_lowercase());
            if ends_word || (starts_word && before.is_some_and(|&b| b != '_')) {
                snake.push('_');
            }
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// Lower-case ASCII letters, digits and `_`.
pub fn is_word(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    !name.is_empty() && name.bytes().all(allowed)
}

/// Words with dots between them.
pub fn is_domain(name: &str) -> bool {
    name.split('.').all(is_word)
}

/// What stands before the `.v` and the number of a version, where there is one: `account.opened` of `account.opened.v1`.
pub fn without_version(event_type: &str) -> Option<&str> {
    let (name, version) = event_type.rsplit_once(".v")?;
    let number = !version.starts_with(['0', '+']) && version.parse::<u32>().is_ok();
    number.then_some(name)
}

/// A domain, a name and a version, not longer than an event type may be.
pub fn is_event_type(value: &str) -> bool {
    let named = |name: &str| is_domain(name) && name.contains('.');
    value.len() <= LONGEST_EVENT_TYPE && without_version(value).is_some_and(named)
}

/// 1 to 64 ASCII letters, digits, `_` or `.`: what may stand before the `-` of a stream's name.
pub fn is_category(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'.';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// 1 to 64 ASCII lower-case letters, digits, `_` or `.`: what kind of key is claimed.
pub fn is_scope(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'.';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// In bytes.
pub const LONGEST_EVENT_TYPE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case_word_by_word() {
        for (name, snake) in [
            ("Opened", "opened"),
            ("MoneyDeposited", "money_deposited"),
            ("DepositedV2", "deposited_v2"),
            ("V2Deposited", "v2_deposited"),
            ("HTTPCalled", "http_called"),
            ("CalledByHTTP", "called_by_http"),
            ("Already_snake", "already_snake"),
            ("Mixed_Case", "mixed_case"),
            ("A", "a"),
            ("lower", "lower"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }

    #[test]
    fn names_are_checked_by_the_rules_of_the_core() {
        for good in ["account", "shop.orders", "bank_2", "a.b.c"] {
            assert!(is_domain(good), "{good}");
        }
        for bad in ["", "Account", "shop.", ".shop", "a..b", "a-b", "a b", "ä"] {
            assert!(!is_domain(bad), "{bad}");
        }
        for good in ["account.opened.v1", "shop.orders.paid.v20"] {
            assert!(is_event_type(good), "{good}");
        }
        for bad in
            ["", "opened.v1", "account.opened", "account.opened.v0", "account.opened.v", "account.opened.v+1", "a.B.v1"]
        {
            assert!(!is_event_type(bad), "{bad}");
        }
        assert_eq!(without_version("account.opened.v12"), Some("account.opened"));
        assert!(is_category("Account_2.b") && is_category(&"x".repeat(64)));
        assert!(is_scope("shop.e_mail2") && is_scope(&"x".repeat(64)));
        assert!(!is_scope("") && !is_scope("E_mail") && !is_scope("e-mail") && !is_scope(&"x".repeat(65)));
        assert!(!is_category("") && !is_category("a-b") && !is_category(&"x".repeat(65)));
    }
}
