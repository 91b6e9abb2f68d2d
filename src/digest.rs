//! Keyed digests in place of the texts of tokens, so that secrets do not pile up in memory.
//! [`token_cache`](crate::token_cache) says why a digest is enough, and why it is this one.

use aegis::aegis128l::Aegis128LMac;

/// Makes digests under a key of its own, which is expanded once. Digests of two digesters have nothing in common.
#[derive(Clone)]
pub(crate) struct Digester(Aegis128LMac<16>);

/// Stands for the text of a token.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Digest([u8; 16]);

impl Digester {
    /// `None` if the machine provides no random numbers.
    pub(crate) fn new() -> Option<Self> {
        let mut key = [0; 16];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        Some(Self(Aegis128LMac::new(&key)))
    }

    #[inline]
    pub(crate) fn digest(&self, text: &[u8]) -> Digest {
        let mut mac = self.0.clone();
        mac.update(text);
        Digest(mac.finalize())
    }

    /// Of several texts: where one ends and the next begins counts.
    pub(crate) fn digest_all<const N: usize>(&self, texts: [&[u8]; N]) -> Digest {
        let mut mac = self.0.clone();
        for text in texts {
            // No text is longer than this can express.
            mac.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            mac.update(text);
        }
        Digest(mac.finalize())
    }
}

impl Digest {
    /// Sixteen of its bits.
    pub(crate) const fn bits(self) -> u16 {
        let [first, second, ..] = self.0;
        u16::from_le_bytes([first, second])
    }
}
