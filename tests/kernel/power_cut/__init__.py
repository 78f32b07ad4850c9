"""Cut the power at every moment of a guard's work, and see that nothing is lost or made up.

As root: ``python -m tests.kernel.power_cut``. The guard's own keeper and journal work on
parameters made of files; the journal lies on a small ext4 image of its own, behind a loop device.
After every operation of the guard on a file, and before and after every single write request of
the device in between (in the order in which the kernel's block trace shows them), what is on the
disk is kept together with the values of that moment. Requests that no flush has made durable may
also be lost in any combination, as in a disk with a write cache: some of these are kept too.

From each of these the image is mounted, so that ext4 replays its journal, and the guard recovers:
as the same boot (the disk alone had lost its power) the originals have to come back; as another
boot nothing may be written, and the setting that was in force has to be told as a crash.

One module is the machine and its disk (`machine`, `disk`), one the guard's life on it (`life`),
one keeps every state that a cut could leave (`recording`), one recovers from each (`recovering`),
one does both and tells (`cutting`).
"""
