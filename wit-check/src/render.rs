//! Types and functions as text without their docs: two that give the same text are the
//! same to a compiled component.

use wit_parser::{Function, Handle, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

/// A declared type: `variant { keep, reject(string) }`.
pub(crate) fn definition(resolve: &Resolve, id: TypeId) -> String {
    let Some(def) = resolve.types.get(id) else {
        return String::new();
    };
    let fields = |fields: Vec<String>| format!("{} {{ {} }}", def.kind.as_str(), fields.join(", "));
    match &def.kind {
        TypeDefKind::Record(record) => fields(
            record
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.name, usage(resolve, &field.ty)))
                .collect(),
        ),
        TypeDefKind::Variant(variant) => fields(
            variant
                .cases
                .iter()
                .map(|case| match &case.ty {
                    Some(ty) => format!("{}({})", case.name, usage(resolve, ty)),
                    None => case.name.clone(),
                })
                .collect(),
        ),
        TypeDefKind::Enum(all) => fields(all.cases.iter().map(|case| case.name.clone()).collect()),
        TypeDefKind::Flags(all) => fields(all.flags.iter().map(|flag| flag.name.clone()).collect()),
        TypeDefKind::Resource => "resource".to_owned(),
        _ => anonymous(resolve, def),
    }
}

/// A function: `async func(ids: list<string>) -> result<_, records.error>`.
pub(crate) fn function(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, usage(resolve, &param.ty)))
        .collect();
    let kind = if function.kind.is_async() {
        "async func"
    } else {
        "func"
    };
    let mut text = format!("{kind}({})", params.join(", "));
    if let Some(result) = &function.result {
        text.push_str(" -> ");
        text.push_str(&usage(resolve, result));
    }
    text
}

/// A type where it is used: by its name and its interface, if it has one.
fn usage(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}").to_lowercase();
    };
    let Some(def) = resolve.types.get(*id) else {
        return String::new();
    };
    match (&def.kind, &def.name) {
        // Taken over by `use`, or another name for it.
        (TypeDefKind::Type(other), _) => usage(resolve, other),
        (_, Some(name)) => match def.owner {
            TypeOwner::Interface(owner) => {
                let interface = resolve.interfaces.get(owner);
                let interface = interface.and_then(|interface| interface.name.as_deref());
                format!("{}.{name}", interface.unwrap_or_default())
            }
            _ => name.clone(),
        },
        (_, None) => anonymous(resolve, def),
    }
}

/// A type that is written where it is used.
fn anonymous(resolve: &Resolve, def: &TypeDef) -> String {
    let of = |ty: &Type| usage(resolve, ty);
    let maybe = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
    match &def.kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", of(key), of(value)),
        TypeDefKind::FixedLengthList(ty, length) => format!("list<{}, {length}>", of(ty)),
        TypeDefKind::Result(result) => {
            format!("result<{}, {}>", maybe(&result.ok), maybe(&result.err))
        }
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(of).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Future(ty) => format!("future<{}>", maybe(ty)),
        TypeDefKind::Stream(ty) => format!("stream<{}>", maybe(ty)),
        TypeDefKind::Handle(Handle::Own(id)) => of(&Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", of(&Type::Id(*id))),
        other => other.as_str().to_owned(),
    }
}
