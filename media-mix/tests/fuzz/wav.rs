//! WAV files: nothing panics, no more is read than is there, and what was read is written and read the same.

use std::io::Cursor;

use media_mix::wav::{WavReader, WavWriter};

/// One input: a file.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(mut reader) = WavReader::new(data) else {
        return;
    };
    let spec = reader.spec();
    // A converted file is a little longer, and ends with what its filter still held.
    let most = data.len() * 12 / 11 + 2_000;
    let mut pcm = vec![0; most];
    let samples = reader.read(&mut pcm).expect("memory does not fail");
    assert!(samples < most && samples % usize::from(spec.channels) == 0);
    let mut writer =
        WavWriter::new(Cursor::new(Vec::new()), spec.rate, spec.channels).expect("as it was read");
    writer.write(&pcm[..samples]).expect("memory does not fail");
    let file = writer.finish().expect("memory does not fail").into_inner();
    let mut again = WavReader::new(&file[..]).expect("what we write is WAV");
    let mut same = vec![0; samples + 2];
    assert_eq!(
        again.read(&mut same).expect("memory does not fail"),
        samples
    );
    assert_eq!(same[..samples], pcm[..samples]);
}
