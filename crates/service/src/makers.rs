//! A place of their own for keys that take long to make: an RSA key takes up to seconds, in which other calls go on.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, available_parallelism};

/// Threads that make keys, one job after the other. They end with the host.
pub(crate) struct Makers(Mutex<mpsc::Sender<Job>>);

type Job = Box<dyn FnOnce() + Send>;

impl Makers {
    /// Starts half as many threads as the machine has processors: the others answer calls.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..available_parallelism().map_or(1, NonZero::get).div_ceil(2) {
            let receiver = receiver.clone();
            Builder::new().name("keyward-maker".into()).spawn(move || work(&receiver))?;
        }
        Ok(Self(Mutex::new(sender)))
    }

    /// Has a job done when its turn comes.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // INVARIANT: the threads wait for jobs as long as there is a sender.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(Box::new(job));
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A job that fails costs its own caller the answer, and nobody else the thread.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_panics_leaves_the_others_their_turn() {
        let makers = Makers::start().unwrap();
        for _ in 0..2 * available_parallelism().unwrap().get() {
            makers.run(|| panic!("a job of this test"));
        }
        let (sender, receiver) = mpsc::channel();
        makers.run(move || sender.send(7).unwrap());
        assert_eq!(receiver.recv(), Ok(7));
    }
}
