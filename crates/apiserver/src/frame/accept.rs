//! The `Accept` header: in which form a client wants its answer.

use comity_core::{Reason, Status};

/// The text format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What an object is turned into before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The object itself.
    Object,
    /// `Table` of `meta.k8s.io/<version>`.
    Table(&'static str),
    /// `PartialObjectMetadata` (or its list) of `meta.k8s.io/<version>`.
    Metadata(&'static str),
}

/// One acceptable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Format.
    pub format: Format,
    /// `as`, empty when absent.
    pub kind: String,
    /// `g`.
    pub group: String,
    /// `v`.
    pub version: String,
    /// `profile`.
    pub profile: String,
}

/// The acceptable forms, best first, and whether output is indented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Forms this server can write; empty when none fits.
    pub clauses: Vec<Clause>,
    /// Indent the output.
    pub pretty: bool,
}

impl Accept {
    /// Reads the header; `pretty` comes from the query or the user agent.
    pub fn parse(header: &str, pretty: bool) -> Self {
        if header.trim().is_empty() {
            return Self { clauses: vec![plain(Format::Json)], pretty };
        }
        let mut weighted: Vec<(u32, Clause)> = Vec::new();
        for part in header.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let media = pieces.next().unwrap_or("").to_ascii_lowercase();
            let format = match media.as_str() {
                "application/json" | "*/*" | "application/*" | "text/json" => Format::Json,
                "application/yaml" | "text/yaml" => Format::Yaml,
                _ => continue,
            };
            let mut clause = plain(format);
            let mut weight = 1000;
            for piece in pieces {
                let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
                let value = value.trim().trim_matches('"');
                match key.trim() {
                    "as" => clause.kind = value.to_owned(),
                    "g" => clause.group = value.to_owned(),
                    "v" => clause.version = value.to_owned(),
                    "profile" => clause.profile = value.to_owned(),
                    "q" => weight = quality(value),
                    _ => {}
                }
            }
            weighted.push((weight, clause));
        }
        weighted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        Self { clauses: weighted.into_iter().map(|(_, clause)| clause).collect(), pretty }
    }

    /// The first form in which an object of the API can be written.
    ///
    /// # Errors
    /// 406 when there is none.
    pub fn object(&self) -> Result<(Format, View), Status> {
        self.clauses.iter().find_map(|c| view(c).map(|view| (c.format, view))).ok_or_else(not_acceptable)
    }

    /// The first form without transformation.
    ///
    /// # Errors
    /// 406 when there is none.
    pub fn plain(&self) -> Result<Format, Status> {
        self.clauses.iter().find(|c| c.kind.is_empty()).map(|c| c.format).ok_or_else(not_acceptable)
    }
}

fn plain(format: Format) -> Clause {
    Clause { format, kind: String::new(), group: String::new(), version: String::new(), profile: String::new() }
}

fn view(clause: &Clause) -> Option<View> {
    let version = match clause.version.as_str() {
        "v1" => "v1",
        "v1beta1" => "v1beta1",
        _ => "",
    };
    match clause.kind.as_str() {
        "" => Some(View::Object),
        _ if clause.group != "meta.k8s.io" || version.is_empty() => None,
        "Table" => Some(View::Table(version)),
        "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(View::Metadata(version)),
        _ => None,
    }
}

/// `q` in thousandths.
fn quality(text: &str) -> u32 {
    let value: f64 = text.parse().unwrap_or(1.0);
    (0..=1000u32).rev().find(|t| f64::from(*t) <= value.clamp(0.0, 1.0) * 1000.0).unwrap_or(0)
}

fn not_acceptable() -> Status {
    Status::new(
        Reason::NotAcceptable,
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_clause_that_can_be_written_wins() {
        let view = |header: &str| Accept::parse(header, false).object().map_err(|s| s.code);
        assert_eq!(view(""), Ok((Format::Json, View::Object)));
        assert_eq!(view("*/*"), Ok((Format::Json, View::Object)));
        assert_eq!(view("application/yaml"), Ok((Format::Yaml, View::Object)));
        assert_eq!(view("application/json;q=0.5, application/yaml"), Ok((Format::Yaml, View::Object)));
        assert_eq!(view("application/vnd.kubernetes.protobuf,application/json"), Ok((Format::Json, View::Object)));
        assert_eq!(
            view("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"),
            Ok((Format::Json, View::Table("v1")))
        );
        assert_eq!(view("application/json;as=Other;v=v1;g=meta.k8s.io,application/json"), Ok((Format::Json, View::Object)));
        assert_eq!(view("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"), Ok((Format::Json, View::Metadata("v1"))));
        assert_eq!(view("image/png"), Err(406));
    }
}
