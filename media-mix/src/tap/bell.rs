//! What one end of a tap rings to wake a task at the other. Without the feature `futures` there is nobody to wake.

#[cfg(feature = "futures")]
#[derive(Debug, Default)]
pub(super) struct Bell(atomic_waker::AtomicWaker);

#[cfg(feature = "futures")]
impl Bell {
    /// Wake who waits, if anybody does. What the executor does then is a push to its queue; it never runs the task here.
    pub(super) fn ring(&self) {
        self.0.wake();
    }

    /// Wait for the next ring. Look once more at what is waited for after this, before going to sleep.
    pub(super) fn listen(&self, waker: &std::task::Waker) {
        self.0.register(waker);
    }
}

#[cfg(not(feature = "futures"))]
#[derive(Debug, Default)]
pub(super) struct Bell(());

#[cfg(not(feature = "futures"))]
impl Bell {
    pub(super) fn ring(&self) {}
}
