// key = 0xffffffff - key where it is not 0: the smallest score becomes the largest; 0 still means "cannot stay".
// Keys [R][u.count] vec4s, between 0 and 0xfffffffe before and after.   One invocation owns one vec4.
#import grid
#import span
@group(0) @binding(0) var<uniform> u: Span;
@group(0) @binding(1) var<storage, read_write> score: array<vec4<u32>>;

@compute @workgroup_size(64)
fn score_invert(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.count { return; }
    let i = group.z * u.count + flat;
    let key = score[i];
    score[i] = select(~key, key, key == vec4<u32>());
}
