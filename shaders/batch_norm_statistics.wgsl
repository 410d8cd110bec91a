// part[r][p][c] = (m, sum (X - m)^2),  m = sum X / n, over the pixels of part p and the n samples there are, empty slots left out.
// One invocation owns one (part, c). Sums: four, one for each place in a vec4, from 0, pixels then columns ascending; then
// ((x + y) + z) + w.
#import batch_norm
#import grid
#import state
@group(0) @binding(0) var<uniform> u: BatchNormShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>; // [R][channels][parts * pixels][columns]
@group(0) @binding(3) var<storage, read_write> part: array<vec2<f32>>; // [R][parts][channels]

@compute @workgroup_size(64)
fn batch_norm_statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                         @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let p = flat / u.channels;
    let c = flat % u.channels;
    if p >= u.parts { return; }
    let count = state[group.z].count;
    let used = min((count + 3u) / 4u, u.columns);
    let start = ((group.z * u.channels + c) * u.parts + p) * u.pixels * u.columns;
    var sum = vec4<f32>();
    for (var k = 0u; k < u.pixels; k++) {
        for (var b = 0u; b < used; b++) {
            sum = sum + present(x[start + k * u.columns + b], b, count);
        }
    }
    let mean = across(sum) / f32(u.pixels * count);
    var squares = vec4<f32>();
    for (var k = 0u; k < u.pixels; k++) {
        for (var b = 0u; b < used; b++) {
            let d = present(x[start + k * u.columns + b] - mean, b, count);
            squares = fma(d, d, squares);
        }
    }
    part[(group.z * u.parts + p) * u.channels + c] = vec2<f32>(mean, across(squares));
}
