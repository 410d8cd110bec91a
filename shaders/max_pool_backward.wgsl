// dX[c][p][b] = sum of dY[c][q][b] over the windows q whose maximum was at p.
// Where u.gate, dX is 0 wherever X is not above 0: the backward pass of the ReLU that X came out of.
// One invocation owns one input vec4. Sum: starts at 0, qy, qx ascending, plain additions.
#import grid
#import pool
#import relu
#import gate
@group(0) @binding(0) var<uniform> u: PoolShape;
@group(0) @binding(1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> place: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(64)
fn max_pool_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                     @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    let inputs = u.channels * u.in_height * u.in_width;
    if flat >= inputs * u.columns { return; }
    let column = flat % u.columns;
    let input = flat / u.columns;
    let py = (input / u.in_width) % u.in_height;
    let px = input % u.in_width;
    let channel = group.z * u.channels + input / (u.in_height * u.in_width);
    let qy1 = min(u.out_height, py / u.stride + 1u);
    let qx1 = min(u.out_width, px / u.stride + 1u);
    var sum = vec4<f32>();
    for (var qy = first_window(py, u.window_height, u.stride); qy < qy1; qy++) {
        for (var qx = first_window(px, u.window_width, u.stride); qx < qx1; qx++) {
            let at = ((channel * u.out_height + qy) * u.out_width + qx) * u.columns + column;
            let code = (py - qy * u.stride) * u.window_width + (px - qx * u.stride);
            sum = sum + select(vec4<f32>(), dy[at], place[at] == vec4<u32>(code));
        }
    }
    put(group.z * inputs * u.columns + flat, sum);
}
