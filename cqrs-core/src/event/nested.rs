//! What derived events that hold other events put together at compile time.

/// How much the lists hold.
#[must_use]
pub const fn count<T>(lists: &[&[T]]) -> usize {
    let (mut sum, mut i) = (0, 0);
    while i < lists.len() {
        sum += lists[i].len();
        i += 1;
    }
    sum
}

/// All that the lists hold, in order. `N` is their [`count`]; `filler` is anything.
#[must_use]
pub const fn concat<T: Copy, const N: usize>(lists: &[&[T]], filler: T) -> [T; N] {
    let mut all = [filler; N];
    let (mut at, mut i) = (0, 0);
    while i < lists.len() {
        let mut j = 0;
        while j < lists[i].len() {
            all[at] = lists[i][j];
            at += 1;
            j += 1;
        }
        i += 1;
    }
    all
}

/// The fingerprint of a definition and of those that it holds, in order.
#[must_use]
pub const fn fingerprint_of(own: u64, inner: &[u64]) -> u64 {
    let (mut hash, mut i) = (own, 0);
    while i < inner.len() {
        // FNV-1a, a word at a time
        hash = (hash ^ inner[i]).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        i += 1;
    }
    hash
}
