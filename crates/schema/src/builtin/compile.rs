//! From the recorded table and Go's shapes to nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use comity_core::GroupVersionKind;

use super::{ResourceInfo, Strategy, Table};
use crate::{
    node::{self, Extra, Field, Inline, Link, ListKind, MapKind, Node, Object, Scalar, Shape},
    schema::Schema,
    shapes::{GoField, ShapeFile},
    table::{self, TableFile},
};

/// Kinds that clients send under any group.
pub(super) const META_KINDS: [&str; 6] = ["DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions", "ListOptions", "Status"];

const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The types whose JSON form is not an object with fields.
fn special(definition: &str) -> Option<Link> {
    let scalar = match definition {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Scalar::Quantity,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Scalar::Time,
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Scalar::MicroTime,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Duration" => Scalar::Duration,
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Scalar::IntOrString,
        _ => return None,
    };
    Some(Link::Scalar(scalar))
}

/// Objects without known fields: whatever is in them is kept.
fn is_open(definition: &str) -> bool {
    let last = definition.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "RawExtension" | "FieldsV1" | "JSON" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray"
    )
}

pub(super) fn compile(file: TableFile, shapes: &ShapeFile) -> Table {
    let mut kinds: HashMap<GroupVersionKind, &str> = HashMap::new();
    for resource in &file.resources {
        kinds.insert(GroupVersionKind::new(&resource.group, &resource.version, &resource.kind), &resource.type_name);
    }
    for sub in file.resources.iter().flat_map(|r| &r.subresources) {
        if let Some(name) = shapes.kinds.get(&format!("{}/{}/{}", sub.group, sub.version, sub.kind)) {
            kinds.entry(GroupVersionKind::new(&sub.group, &sub.version, &sub.kind)).or_insert(name);
        }
    }
    for kind in META_KINDS {
        if let Some(name) = shapes.kinds.get(&format!("/v1/{kind}")) {
            kinds.insert(GroupVersionKind::new("", "v1", kind), name);
        }
    }
    let places = reachable(kinds.values().copied().chain([METADATA]), shapes);
    let mut compiler = Compiler { file: &file, shapes, places: &places, names: HashSet::new() };
    let nodes: Vec<Node> = places.keys().map(|name| compiler.object(name)).collect();
    let place = |name: &str| places.get(name).copied();
    let resources = file.resources.iter().filter_map(|r| place(&r.type_name).map(|at| Arc::new(resource(r, at)))).collect();
    let kinds = kinds.into_iter().filter_map(|(kind, name)| Some((kind, place(name)?))).collect();
    let metadata = place(METADATA).unwrap_or_default();
    Table { kubernetes: file.kubernetes.clone(), groups: file.groups.clone(), resources, nodes: nodes.into(), kinds, metadata }
}

fn resource(r: &table::Resource, at: u16) -> ResourceInfo {
    let has_status = r.subresources.iter().any(|s| s.name == "status");
    ResourceInfo {
        group: r.group.clone(),
        version: r.version.clone(),
        kind: r.kind.clone(),
        list_kind: format!("{}List", r.kind),
        plural: r.plural.clone(),
        singular: r.singular.clone(),
        short_names: r.short_names.clone(),
        categories: r.categories.clone(),
        verbs: r.verbs.clone(),
        namespaced: r.namespaced,
        subresources: r.subresources.clone(),
        columns: r.columns.clone(),
        patch_types: r.patch_types.clone(),
        schema: Schema { root: Link::Type(at), check: None },
        strategy: Strategy::builtin(&r.group, &r.plural, has_status),
    }
}

/// Places of all types that can be reached, in name order.
fn reachable<'a>(roots: impl Iterator<Item = &'a str>, shapes: &'a ShapeFile) -> BTreeMap<&'a str, u16> {
    let mut todo: Vec<&str> = roots.filter(|r| !r.is_empty()).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(name) = todo.pop() {
        if special(name).is_none() && seen.insert(name) && !is_open(name) {
            todo.extend(shapes.types.get(name).into_iter().flatten().map(|f| f.reference.as_str()).filter(|r| !r.is_empty()));
        }
    }
    seen.into_iter().zip(0..).collect()
}

struct Compiler<'a> {
    file: &'a TableFile,
    shapes: &'a ShapeFile,
    places: &'a BTreeMap<&'a str, u16>,
    names: HashSet<Arc<str>>,
}

impl Compiler<'_> {
    fn intern(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return known.clone();
        }
        let made: Arc<str> = text.into();
        self.names.insert(made.clone());
        made
    }

    fn object(&mut self, name: &str) -> Node {
        let known = self.file.types.get(name);
        let (mut fields, mut inlines) = (Vec::new(), Vec::new());
        if !is_open(name) {
            self.collect(name, known, 0, &mut fields, &mut inlines);
        }
        let open = fields.is_empty();
        let mut object = Object::new(fields);
        object.name = Some(self.intern(name));
        object.inlines = inlines.into();
        object.preserve = open && is_open(name);
        if known.is_some_and(|t| t.map_type == "atomic") {
            object.kind = MapKind::Atomic;
        }
        Node { shape: Shape::Object(object), nullable: false, default: None }
    }

    /// The fields of a struct and of the structs it inlines, in JSON order.
    fn collect(&mut self, name: &str, known: Option<&table::Type>, via: u8, fields: &mut Vec<Field>, inlines: &mut Vec<Inline>) {
        let shapes = self.shapes;
        for go in shapes.types.get(name).into_iter().flatten() {
            if go.name == "-" || (go.name.is_empty() && go.reference.is_empty()) {
                continue;
            }
            if go.name.is_empty() {
                let mut inner = via;
                // A message inlined into an inlined message is nested in that one's encoding, not here.
                if go.number != 0 && via == 0 {
                    let link = self.places.get(go.reference.as_str()).map_or(Link::Any, |at| Link::Type(*at));
                    inlines.push(Inline { go: self.intern(&go.go), number: go.number, link });
                    inner = u8::try_from(inlines.len()).unwrap_or(u8::MAX);
                }
                let first = fields.len();
                self.collect(&go.reference, known, inner, fields, inlines);
                // What protobuf does not nest and does not number itself (`kind`, `apiVersion`) is not in its messages.
                fields[first..].iter_mut().for_each(|f| f.number = 0);
                continue;
            }
            let field = self.field(go, known, via);
            fields.push(field);
        }
    }

    fn field(&mut self, go: &GoField, owner: Option<&table::Type>, via: u8) -> Field {
        let known = owner.and_then(|t| t.fields.iter().find(|f| f.name == go.name));
        let shape = if go.shape.is_empty() { go.kind.as_str() } else { go.shape.as_str() };
        let mut flags = 0;
        for (letter, flag) in [('p', node::POINTER), ('o', node::OMIT_EMPTY), ('z', node::OMIT_ZERO)] {
            if go.flags.contains(letter) {
                flags |= flag;
            }
        }
        if owner.is_some_and(|t| t.required.contains(&go.name)) {
            flags |= node::REQUIRED;
        }
        let link = self.link(shape, &go.reference, known);
        Field { name: self.intern(&go.name), link, extra: self.extra(go, known), number: if via == 0 { go.number } else { 0 }, via, flags }
    }

    fn extra(&mut self, go: &GoField, known: Option<&table::Field>) -> Option<Box<Extra>> {
        let shape = if go.shape.is_empty() { go.kind.as_str() } else { go.shape.as_str() };
        let plain = go.kind == crate::walk::go_name(shape, &go.reference);
        let mut extra = Extra { go: (!plain).then(|| self.intern(&go.kind)), ..Extra::default() };
        let mut any = !plain;
        if let Some(known) = known {
            extra.default = known.default.clone();
            extra.patch_merge = known.patch_strategy.split(',').any(|s| s == "merge");
            extra.patch_key = (!known.patch_merge_key.is_empty()).then(|| self.intern(&known.patch_merge_key));
            extra.enumeration = known.enumeration.iter().map(|e| self.intern(e)).collect();
            any |= extra.default.is_some() || extra.patch_merge || !extra.enumeration.is_empty();
        }
        any.then(|| Box::new(extra))
    }

    fn link(&mut self, shape: &str, reference: &str, known: Option<&table::Field>) -> Link {
        if let Some(item) = shape.strip_prefix('L') {
            let item = self.link(item, reference, None);
            let (kind, keys) = match known {
                Some(f) if f.list_type == "map" => (ListKind::Map, f.list_keys.iter().map(|k| self.intern(k)).collect()),
                Some(f) if f.list_type == "set" => (ListKind::Set, Box::default()),
                _ => (ListKind::Atomic, Box::default()),
            };
            return own(Shape::List { item, kind, keys });
        }
        if let Some(value) = shape.strip_prefix('M') {
            let value = self.link(value, reference, None);
            let kind = if known.is_some_and(|f| f.map_type == "atomic") { MapKind::Atomic } else { MapKind::Granular };
            return own(Shape::Map { value, kind });
        }
        match shape {
            "string" => Link::Scalar(Scalar::String),
            "bytes" => Link::Scalar(Scalar::Bytes),
            "bool" => Link::Scalar(Scalar::Boolean),
            "int32" => Link::Scalar(Scalar::Int32),
            "int64" | "int" => Link::Scalar(Scalar::Int64),
            "float64" => Link::Scalar(Scalar::Number),
            "ref" => special(reference).or_else(|| self.places.get(reference).map(|at| Link::Type(*at))).unwrap_or(Link::Any),
            _ => Link::Any,
        }
    }
}

fn own(shape: Shape) -> Link {
    Link::Own(Arc::new(Node { shape, nullable: false, default: None }))
}
