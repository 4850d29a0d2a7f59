//! The constants of ITU-T G.722, as its tables give them.

/// Half of the 24 coefficients of the mirror filters; the other half is its reverse (table 11).
pub(super) const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the 6-bit lower quantizer (table 14).
pub(super) const DECISION6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940,
    1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Code of the interval below decision level `i`, for negative differences (table 14).
pub(super) const LOWER_NEGATIVE: [u8; 31] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11,
    10, 9, 8, 7, 6, 5, 4,
];

/// The same for positive differences.
pub(super) const LOWER_POSITIVE: [u8; 31] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39,
    38, 37, 36, 35, 34, 33, 32,
];

/// Output levels of the 4-bit inverse quantizer, which drives the lower predictor in every mode (table 17).
pub(super) const INVERSE4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];

/// Output levels of the 5-bit inverse quantizer, mode 2 (table 18).
pub(super) const INVERSE5: [i32; 32] = [
    -280, -280, -23352, -17560, -14120, -11664, -9752, -8184, -6864, -5712, -4696, -3784, -2960,
    -2208, -1520, -880, 23352, 17560, 14120, 11664, 9752, 8184, 6864, 5712, 4696, 3784, 2960, 2208,
    1520, 880, 280, -280,
];

/// Output levels of the 6-bit inverse quantizer, mode 1 (table 19).
pub(super) const INVERSE6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Output levels of the 2-bit inverse quantizer of the higher band (table 20).
pub(super) const INVERSE2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// Logarithmic scale factor multipliers of the lower band, by 4-bit code (tables 13 and 21 joined).
pub(super) const LOWER_SCALE: [i32; 16] = {
    const W: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
    const R: [usize; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
    let mut joined = [0; 16];
    let mut i = 0;
    while i < 16 {
        joined[i] = W[R[i]];
        i += 1;
    }
    joined
};

/// The same for the higher band, by 2-bit code.
pub(super) const HIGHER_SCALE: [i32; 4] = [798, -214, 798, -214];

/// Antilogarithm: 2048 × 2^(i/32) (table 15).
pub(super) const ANTILOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
