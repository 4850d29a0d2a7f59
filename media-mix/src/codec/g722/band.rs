//! One band of adaptive differential PCM: quantizers, scale factor, and the predictor with two poles and six zeros
//! (G.722 clauses 3 and 4, figures 7 to 10).

use super::Mode;
use super::tables::{
    ANTILOG, DECISION6, HIGHER_SCALE, INVERSE2, INVERSE4, INVERSE5, INVERSE6, LOWER_NEGATIVE,
    LOWER_POSITIVE, LOWER_SCALE,
};

/// State that encoder and decoder share, kept identical on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    /// Prediction of the next sample.
    s: i32,
    /// Its part from the zeros.
    sz: i32,
    /// Last reconstructed signals, newest first.
    r: [i32; 2],
    /// Last partly reconstructed signals (without the poles' share), newest first.
    p: [i32; 2],
    /// Pole coefficients.
    a: [i32; 2],
    /// Zero coefficients; the two beyond the sixth are for the vectors' sake, and multiply nothing.
    b: [i32; 8],
    /// Last quantized differences, newest first; six, and two that stay 0.
    d: [i32; 8],
    /// Logarithmic scale factor.
    nb: i32,
    /// Scale factor.
    det: i32,
}

#[inline(always)]
fn saturate(x: i32) -> i32 {
    x.clamp(-32_768, 32_767)
}

impl Band {
    fn new(det: i32) -> Self {
        Band {
            s: 0,
            sz: 0,
            r: [0; 2],
            p: [0; 2],
            a: [0; 2],
            b: [0; 8],
            d: [0; 8],
            nb: 0,
            det,
        }
    }

    pub(super) fn lower() -> Self {
        Self::new(32)
    }

    pub(super) fn higher() -> Self {
        Self::new(8)
    }

    /// Quantize one sample of the lower band to 6 bits.
    #[inline(always)]
    pub(super) fn encode_lower(&mut self, x: i32) -> u8 {
        let difference = saturate(x - self.s);
        let magnitude = if difference >= 0 {
            difference
        } else {
            !difference
        };
        // The levels rise, so the number of levels at or below the magnitude is the interval. Counting all of them has
        // no branch to predict.
        let levels = &LEVELS[(self.nb >> 6) as usize & 511];
        let above = levels
            .iter()
            .map(|&level| i16::from(magnitude as i16 > level))
            .sum::<i16>();
        let interval = above as usize + 1;
        let code = if difference < 0 {
            LOWER_NEGATIVE[interval]
        } else {
            LOWER_POSITIVE[interval]
        };
        self.adapt_lower(usize::from(code >> 2));
        code
    }

    /// Quantize one sample of the higher band to 2 bits.
    #[inline(always)]
    pub(super) fn encode_higher(&mut self, x: i32) -> u8 {
        let difference = saturate(x - self.s);
        let magnitude = if difference >= 0 {
            difference
        } else {
            !difference
        };
        let far = magnitude >= (564 * self.det) >> 12;
        let code = match (difference < 0, far) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.adapt_higher(usize::from(code));
        code
    }

    /// One sample of the lower band from its 6 bits; in modes 2 and 3 the low bits are absent and ignored.
    #[inline(always)]
    pub(super) fn decode_lower(&mut self, code: u8, mode: Mode) -> i32 {
        let level = match mode {
            Mode::Kbit64 => INVERSE6[usize::from(code)],
            Mode::Kbit56 => INVERSE5[usize::from(code >> 1)],
            Mode::Kbit48 => INVERSE4[usize::from(code >> 2)],
        };
        let sample = (self.s + ((self.det * level) >> 15)).clamp(-16_384, 16_383);
        self.adapt_lower(usize::from(code >> 2));
        sample
    }

    /// One sample of the higher band from its 2 bits.
    #[inline(always)]
    pub(super) fn decode_higher(&mut self, code: u8) -> i32 {
        let level = INVERSE2[usize::from(code & 3)];
        let sample = (self.s + ((self.det * level) >> 15)).clamp(-16_384, 16_383);
        self.adapt_higher(usize::from(code & 3));
        sample
    }

    #[inline(always)]
    fn adapt_lower(&mut self, code4: usize) {
        let d = (self.det * INVERSE4[code4]) >> 15;
        self.nb = (((self.nb * 127) >> 7) + LOWER_SCALE[code4]).clamp(0, 18_432);
        self.det = scale(self.nb, 8);
        self.predict(d);
    }

    #[inline(always)]
    fn adapt_higher(&mut self, code2: usize) {
        let d = (self.det * INVERSE2[code2]) >> 15;
        self.nb = (((self.nb * 127) >> 7) + HIGHER_SCALE[code2]).clamp(0, 22_528);
        self.det = scale(self.nb, 10);
        self.predict(d);
    }

    /// Take in the quantized difference, adapt the predictor, and predict the next sample (figures 9 and 10).
    #[inline(always)]
    fn predict(&mut self, d: i32) {
        let r = saturate(self.s + d);
        let p = saturate(self.sz + d);

        // Second pole, then the first, whose range depends on it: the filter stays stable (UPPOL2, UPPOL1).
        let same = |x: i32, y: i32| (x ^ y) >= 0;
        let four_a = saturate(self.a[0] << 2);
        let leaning = if same(p, self.p[0]) {
            (-four_a).min(32_767)
        } else {
            four_a
        };
        let second = (leaning >> 7)
            + if same(p, self.p[1]) { 128 } else { -128 }
            + ((self.a[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let first =
            saturate(if same(p, self.p[0]) { 192 } else { -192 } + ((self.a[0] * 32_640) >> 15));
        let bound = saturate(15_360 - second);
        let first = first.clamp(-bound, bound);

        // Zeros (UPZERO): each leans towards the sign that its difference and the new one agree on.
        let step = if d == 0 { 0 } else { 128 };
        for (b, &old) in self.b.iter_mut().zip(&self.d) {
            let lean = if same(old, d) { step } else { -step };
            *b = saturate(lean + ((*b * 32_640) >> 15));
        }

        let [a, b, c, e, f, ..] = self.d;
        self.d = [d, a, b, c, e, f, 0, 0];
        self.r = [r, self.r[0]];
        self.p = [p, self.p[0]];
        self.a = [first, second];

        let poles = saturate(
            ((self.a[0] * saturate(2 * self.r[0])) >> 15)
                + ((self.a[1] * saturate(2 * self.r[1])) >> 15),
        );
        let zeros: i32 = self
            .b
            .iter()
            .zip(&self.d)
            .map(|(&b, &d)| (b * saturate(2 * d)) >> 15)
            .sum();
        self.sz = saturate(zeros);
        self.s = saturate(poles + self.sz);
    }
}

/// Decision levels 1 to 29 of the lower band, less one, for each of the scale factors that there are (by the logarithmic
/// one's upper bits): a product and a shift fewer for each.
static LEVELS: [[i16; 32]; 512] = {
    let mut table = [[i16::MAX; 32]; 512];
    let mut step = 0;
    while step <= 18_432 >> 6 {
        let det = scale((step << 6) as i32, 8);
        let mut level = 1;
        while level < DECISION6.len() {
            table[step][level - 1] = (((DECISION6[level] * det) >> 12) - 1) as i16;
            level += 1;
        }
        step += 1;
    }
    table
};

/// The linear scale factor of a logarithmic one (SCALEL, SCALEH).
#[inline(always)]
const fn scale(nb: i32, top: i32) -> i32 {
    let mantissa = ANTILOG[((nb >> 6) & 31) as usize];
    let shift = top - (nb >> 11);
    (if shift < 0 {
        mantissa << -shift
    } else {
        mantissa >> shift
    }) << 2
}

/// Code a block of samples of both bands.
#[inline(always)]
pub(crate) fn encode(
    lower: &mut Band,
    higher: &mut Band,
    low: &[i32],
    high: &[i32],
    codes: &mut [u8],
) {
    for ((code, &low), &high) in codes.iter_mut().zip(low).zip(high) {
        *code = higher.encode_higher(high) << 6 | lower.encode_lower(low);
    }
}

/// Decode a block of codes of all 8 bits into samples of both bands.
#[inline(always)]
pub(crate) fn decode(
    lower: &mut Band,
    higher: &mut Band,
    codes: &[u8],
    mode: Mode,
    low: &mut [i32],
    high: &mut [i32],
) {
    for ((&code, low), high) in codes.iter().zip(low).zip(high) {
        let code = code << mode.dropped_bits();
        *low = lower.decode_lower(code & 0x3F, mode);
        *high = higher.decode_higher(code >> 6);
    }
}
