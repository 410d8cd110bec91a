// part[r][k] = sum of squares of the kept gradients in block k of 1024.   One invocation owns one block.
// Sum: starts at 0, i ascending, one fma each. `gradient_clip` adds the parts.
#import grid
#import params
@group(0) @binding(0) var<uniform> u: ParamsShape;
@group(0) @binding(1) var<storage, read> grads: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> masks: array<u32>;
@group(0) @binding(3) var<storage, read_write> part: array<f32>; // [R][ceil(quads / 256)]

@compute @workgroup_size(64)
fn gradient_norm(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                 @builtin(local_invocation_index) local: u32) {
    let block = flat_index(group, groups, 64u, local);
    let blocks = (u.quads + 255u) / 256u;
    if block >= blocks { return; }
    var sum = 0.0;
    let end = min(u.quads, block * 256u + 256u);
    for (var q = block * 256u; q < end; q++) { // at most 256u
        let kept = kept_of(masks[group.z * u.mask_words + q / 8u], q);
        let g = select(vec4<f32>(), grads[group.z * u.quads + q], kept);
        sum = fma(g.x, g.x, sum);
        sum = fma(g.y, g.y, sum);
        sum = fma(g.z, g.z, sum);
        sum = fma(g.w, g.w, sum);
    }
    part[group.z * blocks + block] = sum;
}
