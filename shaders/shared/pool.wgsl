// Shape of a pooling layer within one replica; windows lie wholly inside the image. Twin: PoolShape in src/ops/pool.rs.
struct PoolShape {
    channels: u32,
    in_height: u32,
    in_width: u32,
    out_height: u32,
    out_width: u32,
    window_height: u32,
    window_width: u32,
    stride: u32,
    columns: u32, // vec4s of samples
    share: f32,   // average pooling: 1 / (window area)
    gate: u32,    // 1: X came out of a ReLU, whose backward pass is done with dX
    // Of the dropout that is done with Y and dY, as in DropoutShape:
    first_column: u32,
    batch_columns: u32,
    plane: u32,
    threshold: u32,
    scale: f32,
    layer: u32,
}

// The place of a maximum that passes no gradient on.
const NOWHERE: u32 = 0xffffffffu;

// What an invocation owns: COLS vec4s of samples of one pixel. The index arithmetic, divisions above all, costs software
// adapters more than the pooling, so COLS columns share it.
struct Spot {
    channel: u32,
    y: u32,
    x: u32,
    column: u32, // the first it owns
    step: u32,   // from one that it owns to the next
}

// The spot of a flat index among the pixels of `height` x `width` images. Needs u and COLS.
fn spot_of(flat: u32, height: u32, width: u32) -> Spot {
    let step = (u.columns + COLS - 1u) / COLS;
    let pixel = flat / step;
    let line = pixel / width;
    let channel = line / height;
    return Spot(channel, line - channel * height, pixel - line * width, flat - pixel * step, step);
}

// The first output whose window reaches input coordinate p.
fn first_window(p: u32, window: u32, stride: u32) -> u32 {
    if p < window { return 0u; }
    return (p - window) / stride + 1u;
}
