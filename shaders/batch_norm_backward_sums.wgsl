// part[r][p][c] = (sum dY, sum dY (X - mean)) over the pixels of part p and the samples there are.   dY is 0 in empty slots.
// One invocation owns one (part, c). Sums: four each, one for each place in a vec4, from 0, pixels then columns ascending; then
// ((x + y) + z) + w.
#import batch_norm
#import grid
#import state
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [R][channels][parts * pixels][columns]
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> kept: array<vec4<f32>>; // [R][channels][2]
@group(0) @binding(5) var<storage, read_write> part: array<vec2<f32>>; // [R][parts][channels]

@compute @workgroup_size(64)
fn batch_norm_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                            @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let p = flat / u.channels;
    let c = flat % u.channels;
    if p >= u.parts { return; }
    let used = min((state[group.z].count + 3u) / 4u, u.columns);
    let start = ((group.z * u.channels + c) * u.parts + p) * u.pixels * u.columns;
    let mean = kept[2u * (group.z * u.channels + c)].x;
    var sum = vec4<f32>();
    var products = vec4<f32>();
    for (var k = 0u; k < u.pixels; k++) {
        for (var b = 0u; b < used; b++) {
            let at = start + k * u.columns + b;
            let g = dy[at];
            sum = sum + g;
            products = fma(g, x[at] - mean, products);
        }
    }
    part[(group.z * u.parts + p) * u.channels + c] = vec2<f32>(across(sum), across(products));
}
