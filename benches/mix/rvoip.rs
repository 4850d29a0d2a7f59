//! The conference mixer of `rvoip-media-core`, in the way that costs it least: plain sums, without gain control and
//! voice detection. It takes frames that it owns, and is asynchronous, though nothing in it waits.

use rvoip_media_core::processing::audio::AudioMixer;
use rvoip_media_core::types::AudioFrame;
use rvoip_media_core::types::conference::{
    AudioStream, ConferenceMixingConfig, MixingQuality, ParticipantId,
};
use tokio::runtime::Runtime;

pub(crate) struct Room {
    runtime: Runtime,
    mixer: AudioMixer,
    people: Vec<(ParticipantId, Vec<i16>)>,
    hz: u32,
    timestamp: u32,
}

impl Room {
    /// A room in which each says one of these frames of 20 ms at every tick.
    pub(crate) fn new(frames: &[Vec<i16>], hz: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime without drivers");
        let config = ConferenceMixingConfig {
            max_participants: frames.len(),
            output_sample_rate: hz,
            output_samples_per_frame: hz / 50,
            enable_voice_activity_mixing: false,
            enable_automatic_gain_control: false,
            mixing_quality: MixingQuality::Fast,
            ..ConferenceMixingConfig::default()
        };
        let people: Vec<_> = frames
            .iter()
            .enumerate()
            .map(|(n, frame)| (ParticipantId::new(n.to_string()), frame.clone()))
            .collect();
        let mixer = runtime.block_on(async {
            let mixer = AudioMixer::new(config).await.expect("a mixer");
            for (id, _) in &people {
                let stream = AudioStream::new(id.clone(), hz, 1);
                let added = mixer.add_audio_stream(id.clone(), stream).await;
                added.expect("room for all");
            }
            mixer
        });
        Room {
            runtime,
            mixer,
            people,
            hz,
            timestamp: 0,
        }
    }

    /// Everyone says something, and hears all others; returns how many did.
    pub(crate) fn tick(&mut self) -> usize {
        self.timestamp = self.timestamp.wrapping_add(self.hz / 50);
        self.runtime.block_on(async {
            for (id, frame) in &self.people {
                let frame = AudioFrame::new(frame.clone(), self.hz, 1, self.timestamp);
                let taken = self.mixer.process_audio_frame(id, frame).await;
                taken.expect("a frame of the room's rate");
            }
            self.mixer
                .mix_participants(&[])
                .await
                .map_or(0, |heard| heard.len())
        })
    }
}
