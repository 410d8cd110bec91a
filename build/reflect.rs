//! What a kernel's text says about it: which buffers it binds, how large its workgroups are, which structs it shares with the
//! host.

use super::wgsl::{Line, Mark, Mistake, expand};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Handle, Module, Scalar, Span, StorageAccess, Type, TypeInner};
use std::collections::BTreeMap;

// What WebGPU promises on every adapter.
const MOST_STORAGE_BUFFERS: usize = 8;
const MOST_INVOCATIONS: usize = 256;
const MOST_WORKGROUP_BYTES: usize = 16 << 10;

/// (name, type) of each field of a struct, in order; four bytes each.
pub type Fields = Vec<(String, &'static str)>;

/// A kernel, checked.
#[derive(Debug)]
pub struct Kernel {
    /// The whole text.
    pub text: String,
    /// What each binding is, in order: `Uniform`, `Read` or `ReadWrite`.
    pub bindings: Vec<&'static str>,
    /// Invocations per workgroup.
    pub workgroup: u32,
    /// The struct in binding 0.
    pub uniform: String,
    /// The structs in its buffers, by name.
    pub structs: BTreeMap<String, Fields>,
}

/// Reads and checks the kernel `name`, whose `text` lies in `file`; `shared` is as in [`expand`].
///
/// # Errors
/// What keeps the text from being a kernel that runs wherever WebGPU does.
pub fn read<'a>(
    name: &str,
    (file, text): (&'a str, &'a str),
    shared: &BTreeMap<&'a str, (&'a str, &'a str)>,
) -> Result<Kernel, Mistake<'a>> {
    let lines = expand(file, text, shared)?;
    let text: String = lines.iter().map(|l| l.text.clone() + "\n").collect();
    let mistake = |message: String, spans: &[(Span, &str)], notes: Vec<String>| {
        let marks = spans
            .iter()
            .filter_map(|&(span, remark)| mark(&lines, span, remark));
        let mut marks: Vec<_> = marks.collect();
        if marks.is_empty() {
            marks.extend(lines.first().map(|line| line.mark(0..line.text.len(), "")));
        }
        Mistake {
            message,
            marks,
            notes,
        }
    };
    let module = naga::front::wgsl::parse_str(&text).map_err(|e| {
        let spans: Vec<_> = e.labels().collect();
        let notes = e.notes().map(str::to_owned).collect();
        mistake(e.message().to_owned(), &spans, notes)
    })?;
    // The `*_broadcast` kernels need subgroups, and run only where there are some.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP);
    validator.validate(&module).map_err(|e| {
        let spans = e.spans().map(|(span, remark)| (*span, remark.as_str()));
        let spans: Vec<_> = spans.collect();
        mistake(with_causes(e.as_inner()), &spans, Vec::new())
    })?;
    reflect(name, &text, &module)
        .map_err(|(message, span)| mistake(message, &[(span, "")], Vec::new()))
}

/// Where in the lines a span of their text begins, up to the end of its first line.
fn mark<'a>(lines: &[Line<'a>], span: Span, remark: &str) -> Option<Mark<'a>> {
    let mut bytes = span.to_range()?;
    for line in lines {
        let length = line.text.len();
        if bytes.start <= length {
            return Some(line.mark(bytes.start..bytes.end.min(length), remark));
        }
        // One more for the line's end.
        bytes = bytes.start - length - 1..bytes.end - length - 1;
    }
    None
}

/// An error and what caused it.
fn with_causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}

/// The kernel in a valid module, or what is wrong with it and where.
fn reflect(name: &str, text: &str, module: &Module) -> Result<Kernel, (String, Span)> {
    let of_the_file = |message: String| (message, Span::UNDEFINED);
    let entry = module.entry_points.iter().find(|e| e.name == name);
    let entry = entry.ok_or_else(|| of_the_file(format!("no entry point is called {name}")))?;
    let workgroup = entry.workgroup_size.iter().product();
    let mut bindings = BTreeMap::new();
    let mut structs = BTreeMap::new();
    let mut uniform = None;
    let mut workgroup_bytes = 0;
    for (handle, variable) in module.global_variables.iter() {
        let here = |message: String| (message, module.global_variables.get_span(handle));
        let access = match variable.space {
            AddressSpace::Uniform => "Uniform",
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                "ReadWrite"
            }
            AddressSpace::Storage { .. } => "Read",
            AddressSpace::WorkGroup => {
                workgroup_bytes += module.types[variable.ty].inner.size(module.to_ctx());
                continue;
            }
            _ => continue,
        };
        let held = struct_in(module, variable.ty).map_err(here)?;
        if access == "Uniform" {
            uniform = held.as_ref().map(|(name, _)| name.clone());
        }
        structs.extend(held);
        if let Some(at) = variable.binding.as_ref().filter(|at| at.group == 0) {
            bindings.insert(at.binding, access);
        }
    }
    let numbers: Vec<u32> = bindings.keys().copied().collect();
    let bindings: Vec<&str> = bindings.into_values().collect();
    let uniform = uniform.filter(|_| {
        let uniforms = bindings.iter().filter(|&&access| access == "Uniform");
        uniforms.count() == 1 && bindings[0] == "Uniform"
    });
    let uniform = uniform.ok_or_else(|| {
        of_the_file("binding 0, and no other, is a uniform, and a struct".to_owned())
    })?;
    if numbers != (0..numbers.len() as u32).collect::<Vec<_>>() {
        return Err(of_the_file(format!(
            "its bindings are {numbers:?}: there are gaps"
        )));
    }
    for (what, is, most) in [
        ("storage buffers", bindings.len() - 1, MOST_STORAGE_BUFFERS),
        (
            "invocations in a workgroup",
            workgroup as usize,
            MOST_INVOCATIONS,
        ),
        (
            "bytes of workgroup memory",
            workgroup_bytes as usize,
            MOST_WORKGROUP_BYTES,
        ),
    ] {
        if is > most {
            return Err(of_the_file(format!(
                "it has {is} {what}; there may be {most}"
            )));
        }
    }
    Ok(Kernel {
        text: text.to_owned(),
        bindings,
        workgroup,
        uniform,
        structs,
    })
}

/// The struct that a buffer holds, by itself or as an array, or why the host could not share it.
fn struct_in(module: &Module, ty: Handle<Type>) -> Result<Option<(String, Fields)>, String> {
    let (members, ty) = match &module.types[ty].inner {
        TypeInner::Array { base, .. } => return struct_in(module, *base),
        TypeInner::Struct { members, .. } => (members, ty),
        _ => return Ok(None),
    };
    let name = module.types[ty].name.clone().unwrap_or_default();
    let fields = members.iter().enumerate().map(|(i, member)| {
        let field = member.name.clone().unwrap_or_default();
        let kind = match module.types[member.ty].inner {
            TypeInner::Scalar(Scalar::U32) | TypeInner::Atomic(Scalar::U32) => "u32",
            TypeInner::Scalar(Scalar::F32) => "f32",
            _ => "",
        };
        if kind.is_empty() || member.offset as usize != 4 * i {
            return Err(format!(
                "{name}.{field}: the host shares structs of u32 and f32 alone, without gaps"
            ));
        }
        Ok((field, kind))
    });
    let fields = fields.collect::<Result<_, _>>()?;
    Ok(Some((name, fields)))
}
