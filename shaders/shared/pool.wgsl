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
}

// The first output whose window reaches input coordinate p.
fn first_window(p: u32, window: u32, stride: u32) -> u32 {
    if p < window { return 0u; }
    return (p - window) / stride + 1u;
}
