// Where a replica stands in its training; `step_advance` is its only writer during training. Twin: State in src/train/state.rs.
struct State {
    step: u32,        // optimizer steps done
    epoch: u32,       // passes finished
    position: u32,    // samples of this pass already used
    count: u32,       // samples in the current batch
    lr: f32,          // learning rate of the current step
    clip: f32,        // factor that clips the current gradient; 1 when it does not
    correction1: f32, // 1 - beta1 ^ (step + 1)
    correction2: f32, // 1 - beta2 ^ (step + 1)
    loss_sum: f32,    // sum of sample losses since the host last cleared it
    correct: u32,     // samples classified right, likewise
    seen: u32,        // samples counted, likewise
    broken: u32,      // steps whose loss was not finite
}
