//! Converters under one face.

use benches::OURS;
use media_mix::{Rate, Resampler, VariableResampler};
use rubato::audioadapter_buffers::direct::InterleavedSlice;

/// A converter that keeps its output.
pub(crate) trait Convert {
    /// Samples that it wants at a time: 20 ms where it may choose.
    fn piece(&self) -> usize;
    fn run(&mut self, pcm: &[i16]) -> &[i16];
}

/// `None` where the peer has no such pair.
pub(crate) type Make = fn(u32, u32) -> Option<Box<dyn Convert>>;

pub(crate) const PEERS: &[(&str, Make)] = &[
    (OURS, ours),
    ("media-mix variable", variable),
    ("rubato-fft", rubato_fft),
    ("rubato-poly", rubato_poly),
    ("audio-codec", audio_codec),
    #[cfg(feature = "speexdsp")]
    ("speexdsp-q5", speex::make),
];

struct Ours(Resampler, Vec<i16>);

fn ours(from: u32, to: u32) -> Option<Box<dyn Convert>> {
    let (from, to) = (Rate::try_from(from).ok()?, Rate::try_from(to).ok()?);
    let out = vec![0; to.samples(20)];
    Some(Box::new(Ours(Resampler::new(from, to), out)))
}

impl Convert for Ours {
    fn piece(&self) -> usize {
        self.0.from().samples(20)
    }

    fn run(&mut self, pcm: &[i16]) -> &[i16] {
        let n = self.0.process(pcm, &mut self.1);
        &self.1[..n]
    }
}

struct Variable(VariableResampler, usize, Vec<i16>);

fn variable(from: u32, to: u32) -> Option<Box<dyn Convert>> {
    let inner = VariableResampler::new(from, to).ok()?;
    let piece = from as usize / 50;
    let out = vec![0; inner.output_len(piece) * 2];
    Some(Box::new(Variable(inner, piece, out)))
}

impl Convert for Variable {
    fn piece(&self) -> usize {
        self.1
    }

    fn run(&mut self, pcm: &[i16]) -> &[i16] {
        let n = self.0.process(pcm, &mut self.2);
        &self.2[..n]
    }
}

struct Rubato<R> {
    inner: R,
    piece: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    out: Vec<i16>,
}

fn rubato<R: rubato::Resampler<f32> + 'static>(inner: R) -> Option<Box<dyn Convert>> {
    let piece = inner.input_frames_next();
    let most = inner.output_frames_max();
    Some(Box::new(Rubato {
        inner,
        piece,
        input: vec![0.0; piece],
        output: vec![0.0; most],
        out: Vec::with_capacity(most),
    }))
}

fn rubato_fft(from: u32, to: u32) -> Option<Box<dyn Convert>> {
    let piece = from as usize / 50;
    let inner = rubato::Fft::new(
        from as usize,
        to as usize,
        piece,
        1,
        rubato::FixedSync::Input,
    );
    rubato(inner.ok()?)
}

fn rubato_poly(from: u32, to: u32) -> Option<Box<dyn Convert>> {
    let ratio = f64::from(to) / f64::from(from);
    let inner = rubato::Async::new_poly(
        ratio,
        1.1,
        rubato::PolynomialDegree::Cubic,
        from as usize / 50,
        1,
        rubato::FixedAsync::Input,
    );
    rubato(inner.ok()?)
}

impl<R: rubato::Resampler<f32>> Convert for Rubato<R> {
    fn piece(&self) -> usize {
        self.piece
    }

    fn run(&mut self, pcm: &[i16]) -> &[i16] {
        for (slot, &x) in self.input.iter_mut().zip(pcm) {
            *slot = f32::from(x);
        }
        let most = self.output.len();
        let (Ok(from), Ok(mut to)) = (
            InterleavedSlice::new(&self.input[..], 1, self.piece),
            InterleavedSlice::new_mut(&mut self.output[..], 1, most),
        ) else {
            return &[];
        };
        let made = self.inner.process_into_buffer(&from, &mut to, None);
        let made = made.map_or(0, |(_, made)| made);
        self.out.clear();
        self.out
            .extend(self.output[..made].iter().map(|&x| x.round() as i16));
        &self.out
    }
}

struct AudioCodec(audio_codec::BoxedResampler, usize, Vec<i16>);

fn audio_codec(from: u32, to: u32) -> Option<Box<dyn Convert>> {
    let inner = audio_codec::BoxedResampler::new(from as usize, to as usize).ok()?;
    let piece = from as usize / 50;
    let out = vec![0; inner.max_output_samples(piece)];
    Some(Box::new(AudioCodec(inner, piece, out)))
}

impl Convert for AudioCodec {
    fn piece(&self) -> usize {
        self.1
    }

    fn run(&mut self, pcm: &[i16]) -> &[i16] {
        let n = self.0.resample_into(pcm, &mut self.2).unwrap_or(0);
        &self.2[..n]
    }
}

#[cfg(feature = "speexdsp")]
mod speex {
    //! speexdsp at quality 5, its default for VoIP being 3, from the system's library.

    use std::ffi::{c_int, c_void};

    use super::Convert;

    #[link(name = "speexdsp")]
    unsafe extern "C" {
        fn speex_resampler_init(
            channels: u32,
            from: u32,
            to: u32,
            quality: c_int,
            error: *mut c_int,
        ) -> *mut c_void;
        fn speex_resampler_process_int(
            state: *mut c_void,
            channel: u32,
            input: *const i16,
            input_len: *mut u32,
            output: *mut i16,
            output_len: *mut u32,
        ) -> c_int;
        fn speex_resampler_destroy(state: *mut c_void);
    }

    struct Speex(*mut c_void, usize, Vec<i16>);

    pub(super) fn make(from: u32, to: u32) -> Option<Box<dyn Convert>> {
        let mut error = 0;
        // SAFETY: plain numbers, and a place for the error.
        let state = unsafe { speex_resampler_init(1, from, to, 5, &mut error) };
        let out = vec![0; to as usize / 25];
        (!state.is_null()).then(|| Box::new(Speex(state, from as usize / 50, out)) as _)
    }

    impl Convert for Speex {
        fn piece(&self) -> usize {
            self.1
        }

        fn run(&mut self, pcm: &[i16]) -> &[i16] {
            let (mut taken, mut made) = (pcm.len() as u32, self.2.len() as u32);
            // SAFETY: both lengths are those of the slices, and the state is ours until dropped.
            unsafe {
                speex_resampler_process_int(
                    self.0,
                    0,
                    pcm.as_ptr(),
                    &mut taken,
                    self.2.as_mut_ptr(),
                    &mut made,
                );
            }
            &self.2[..made as usize]
        }
    }

    impl Drop for Speex {
        fn drop(&mut self) {
            // SAFETY: made by init, dropped once.
            unsafe { speex_resampler_destroy(self.0) }
        }
    }
}
