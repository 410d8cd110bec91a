// Shape of a linear layer within one replica. Twin: DenseShape in src/ops/linear.rs.
struct DenseShape {
    inputs: u32,
    outputs: u32,
    columns: u32,       // vec4s of samples
    weight_offset: u32, // of W[output][input] in the flat parameters
    bias_offset: u32,   // of bias[output]; 0xffffffff: none
    param_stride: u32,  // floats per replica
    relu: u32,          // 1: Y goes through a ReLU
    gate: u32,          // 1: X came out of a ReLU, whose backward pass is done with dX
    part: u32,          // inputs of a part of Y's sum
    kept_stride: u32,   // sparse kernels: room for kept indices per replica
}
