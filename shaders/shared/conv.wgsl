// Shape of a 2-D convolution (cross-correlation) within one replica. Twin: ConvShape in src/ops/conv2d.rs.
struct ConvShape {
    in_channels: u32,
    in_height: u32,
    in_width: u32,
    out_channels: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,
    stride: u32,
    padding: u32,
    columns: u32,       // vec4s of samples
    weight_offset: u32, // of W[out][in][ky][kx] in the flat parameters
    bias_offset: u32,   // of bias[out]; 0xffffffff: none
    param_stride: u32,  // floats per replica
    relu: u32,          // 1: Y goes through a ReLU
    gate: u32,          // 1: X came out of a ReLU, whose backward pass is done with dX
    kept_stride: u32,   // sparse kernels: room for kept indices per replica
}

// Floats per replica of partial sums of gradients: [out_height] of each weight's, then [out_height] of each bias's.
fn part_stride() -> u32 {
    return u.out_height * u.out_channels * (u.in_channels * u.kernel * u.kernel + 1u);
}

// The smallest tap k >= 0 with (p - k) divisible by `stride` and (p - k) / `stride` < size.
fn first_tap(p: u32, size: u32, stride: u32) -> u32 {
    let last = (size - 1u) * stride;
    if p <= last { return p % stride; }
    return p - last;
}
