// A replica's hyper-parameters. Twin: Hyper in src/train/state.rs.
struct Hyper {
    lr: f32,           // base learning rate
    momentum: f32,     // sgd: momentum; adam: beta1; adadelta: rho
    beta2: f32,        // adam
    eps: f32,          // adam, adadelta
    weight_decay: f32,
    clip_norm: f32,    // 0: no clipping
    nesterov: u32,     // sgd: 1 looks ahead
    decoupled: u32,    // adam: 1 makes it AdamW
    rest1: f32,        // 1 - momentum, of the numbers before they were rounded to f32
    rest2: f32,        // 1 - beta2, likewise
    first_correction: u32, // where adam's bias corrections start among the factors, in pairs
    corrections: u32,      // how many pairs; the last holds from there on. 0: none
}
