//! The compiled form of a type: a graph of nodes that built-in kinds and custom kinds share.
//!
//! Decoding, pruning, defaulting, merging, server-side apply and protobuf all walk these nodes.

use std::sync::Arc;

use serde_json::Value;

use crate::builtin;

/// What a value holds, with everything that walking it needs.
#[derive(Debug)]
pub struct Node {
    pub(crate) shape: Shape,
    /// Custom kinds: `null` is a value of its own.
    pub(crate) nullable: bool,
    /// The published default of a list item, a map value or a field.
    pub(crate) default: Option<Value>,
}

#[derive(Debug)]
pub(crate) enum Shape {
    Any,
    Scalar(Scalar),
    Object(Object),
    Map { value: Link, kind: MapKind },
    List { item: Link, kind: ListKind, keys: Box<[Arc<str>]> },
}

/// A scalar's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Scalar {
    String,
    /// Base64 text.
    Bytes,
    Boolean,
    Int32,
    Int64,
    Number,
    IntOrString,
    Quantity,
    Time,
    MicroTime,
    Duration,
}

/// How a list is owned and merged by server-side apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// As a whole.
    #[default]
    Atomic,
    /// Every scalar item by itself.
    Set,
    /// Items are objects told apart by [`Node::list_keys`].
    Map,
}

/// How a map or object is owned and merged by server-side apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapKind {
    /// Field by field.
    #[default]
    Granular,
    /// As a whole.
    Atomic,
}

/// The coarse kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No type is known: a scalar or list is atomic, the type of an object's fields is deduced from the values.
    Any,
    /// A leaf.
    Scalar,
    /// Known fields; with [`Node::preserves_unknown`] others are kept and deduced.
    Object,
    /// Any keys, one type of value.
    Map,
    /// Items of one type.
    List,
}

/// An object's fields.
#[derive(Debug, Default)]
pub(crate) struct Object {
    /// Definition name of a built-in type, such as `io.k8s.api.core.v1.Container`.
    pub(crate) name: Option<Arc<str>>,
    /// In the order in which the server writes them.
    pub(crate) fields: Box<[Field]>,
    /// Positions in `fields` by name; only for objects with many fields.
    pub(crate) index: Box<[u16]>,
    /// Messages that protobuf nests where JSON does not.
    pub(crate) inlines: Box<[Inline]>,
    pub(crate) kind: MapKind,
    pub(crate) preserve: bool,
    /// A whole object with `apiVersion`, `kind` and `metadata`.
    pub(crate) embedded: bool,
}

/// A nested protobuf message whose fields stand in the outer JSON object.
#[derive(Debug)]
pub(crate) struct Inline {
    /// Go's name of the embedded struct.
    pub(crate) go: Arc<str>,
    pub(crate) number: u16,
    pub(crate) link: Link,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) link: Link,
    pub(crate) extra: Option<Box<Extra>>,
    /// Protobuf number, 0 for none.
    pub(crate) number: u16,
    /// 1 + position of the inlined message it belongs to, 0 for none.
    pub(crate) via: u8,
    pub(crate) flags: u8,
}

/// What few fields have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) patch_key: Option<Arc<str>>,
    pub(crate) patch_merge: bool,
    /// Go's type where it is not the plain one.
    pub(crate) go: Option<Arc<str>>,
    pub(crate) default: Option<Value>,
    pub(crate) enumeration: Box<[Arc<str>]>,
}

/// Absent is not zero.
pub(crate) const POINTER: u8 = 1;
/// Left out of JSON when zero.
pub(crate) const OMIT_EMPTY: u8 = 2;
/// Left out of JSON even when it is a zero struct.
pub(crate) const OMIT_ZERO: u8 = 4;
/// The OpenAPI document lists it as required.
pub(crate) const REQUIRED: u8 = 8;

/// How a node names another: by place in the built-in table (types may be recursive) or directly.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    Any,
    Scalar(Scalar),
    Type(u16),
    Own(Arc<Node>),
}

static ANY: Node = Node { shape: Shape::Any, nullable: true, default: None };
static SCALARS: [Node; 11] = [
    scalar(Scalar::String),
    scalar(Scalar::Bytes),
    scalar(Scalar::Boolean),
    scalar(Scalar::Int32),
    scalar(Scalar::Int64),
    scalar(Scalar::Number),
    scalar(Scalar::IntOrString),
    scalar(Scalar::Quantity),
    scalar(Scalar::Time),
    scalar(Scalar::MicroTime),
    scalar(Scalar::Duration),
];

const fn scalar(scalar: Scalar) -> Node {
    Node { shape: Shape::Scalar(scalar), nullable: false, default: None }
}

impl Link {
    pub(crate) fn node(&self) -> &Node {
        match self {
            Link::Any => &ANY,
            Link::Scalar(scalar) => &SCALARS[*scalar as usize],
            Link::Type(index) => builtin::node(*index),
            Link::Own(node) => node,
        }
    }
}

impl Node {
    /// The coarse kind.
    pub fn kind(&self) -> Kind {
        match &self.shape {
            Shape::Any => Kind::Any,
            Shape::Scalar(_) => Kind::Scalar,
            // An object about which nothing is known is free-form.
            Shape::Object(_) => Kind::Object,
            Shape::Map { .. } => Kind::Map,
            Shape::List { .. } => Kind::List,
        }
    }

    /// The scalar's type, for scalars.
    pub fn scalar(&self) -> Option<Scalar> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(*scalar),
            _ => None,
        }
    }

    /// Whether server-side apply owns the value as a whole: scalars and atomic lists and maps.
    pub fn is_leaf(&self) -> bool {
        match &self.shape {
            Shape::Any => false,
            Shape::Scalar(_) => true,
            Shape::Object(object) => object.kind == MapKind::Atomic,
            Shape::Map { kind, .. } => *kind == MapKind::Atomic,
            Shape::List { kind, .. } => *kind == ListKind::Atomic,
        }
    }

    /// The type of the value under a key: a known field's, else the map value's.
    pub fn child(&self, key: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Object(object) => object.field(key).map(Field::node),
            Shape::Map { value, .. } => Some(value.node()),
            _ => None,
        }
    }

    /// A known field of an object.
    pub fn field(&self, name: &str) -> Option<&Field> {
        match &self.shape {
            Shape::Object(object) => object.field(name),
            _ => None,
        }
    }

    /// The known fields of an object, in the order in which the server writes them.
    pub fn fields(&self) -> &[Field] {
        match &self.shape {
            Shape::Object(object) => &object.fields,
            _ => &[],
        }
    }

    /// The type of a list's items.
    pub fn item(&self) -> Option<&Node> {
        match &self.shape {
            Shape::List { item, .. } => Some(item.node()),
            _ => None,
        }
    }

    /// The type of a map's values.
    pub fn map_value(&self) -> Option<&Node> {
        match &self.shape {
            Shape::Map { value, .. } => Some(value.node()),
            _ => None,
        }
    }

    /// How a list merges; atomic for everything that is no list.
    pub fn list_kind(&self) -> ListKind {
        match &self.shape {
            Shape::List { kind, .. } => *kind,
            _ => ListKind::Atomic,
        }
    }

    /// The keys of a [`ListKind::Map`] list.
    pub fn list_keys(&self) -> &[Arc<str>] {
        match &self.shape {
            Shape::List { keys, .. } => keys,
            _ => &[],
        }
    }

    /// The value that an absent key of a [`ListKind::Map`] list's item stands for, such as `TCP` for a port's protocol.
    pub fn key_default(&self, key: &str) -> Option<&Value> {
        self.item()?.field(key)?.default()
    }

    /// How an object or map merges.
    pub fn map_kind(&self) -> MapKind {
        match &self.shape {
            Shape::Object(object) => object.kind,
            Shape::Map { kind, .. } => *kind,
            _ => MapKind::Granular,
        }
    }

    /// Whether fields that the type does not know are kept (their types are deduced from the values).
    pub fn preserves_unknown(&self) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Object(object) => object.preserve,
            _ => false,
        }
    }

    /// Definition name of a built-in type, such as `io.k8s.api.core.v1.Container`.
    pub fn type_name(&self) -> Option<&str> {
        match &self.shape {
            Shape::Object(object) => object.name.as_deref(),
            _ => None,
        }
    }
}

impl Object {
    pub(crate) fn new(fields: Vec<Field>) -> Self {
        let mut object = Self { fields: fields.into_boxed_slice(), ..Self::default() };
        if object.fields.len() > 12 {
            let mut index: Vec<u16> = (0..u16::try_from(object.fields.len()).unwrap_or(u16::MAX)).collect();
            index.sort_by(|a, b| object.fields[usize::from(*a)].name.cmp(&object.fields[usize::from(*b)].name));
            object.index = index.into_boxed_slice();
        }
        object
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.fields.iter().position(|f| &*f.name == name);
        }
        let found = self.index.binary_search_by(|i| (*self.fields[usize::from(*i)].name).cmp(name)).ok()?;
        Some(usize::from(self.index[found]))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.position(name).map(|at| &self.fields[at])
    }
}

impl Field {
    /// Its JSON name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn node(&self) -> &Node {
        self.link.node()
    }

    /// The published default.
    pub fn default(&self) -> Option<&Value> {
        self.extra.as_ref().and_then(|e| e.default.as_ref()).or(self.node().default.as_ref())
    }

    /// Whether the type's description lists the field as required.
    pub fn is_required(&self) -> bool {
        self.flags & REQUIRED != 0
    }

    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
