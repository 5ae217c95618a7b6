//! Results as a table that can be pasted into a document.
#![allow(clippy::print_stdout, reason = "printing results is what a benchmark is for")]

use std::time::Duration;

/// A table with a title and columns as wide as their content.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its column heads.
    pub fn new(title: &str, heads: &[&str]) -> Table {
        Table { title: title.to_owned(), rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |cells: &[String]| {
            let padded = widths.iter().zip(cells).map(|(width, cell)| format!(" {cell:<width$} |"));
            format!("|{}\n", padded.collect::<String>())
        };
        let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
        let mut out = format!("### {}\n\n", self.title);
        for (index, row) in self.rows.iter().enumerate() {
            out.push_str(&line(row));
            if index == 0 {
                out.push_str(&format!("|{rule}\n"));
            }
        }
        out
    }

    /// Prints the table.
    pub fn print(&self) {
        println!("{}", self.markdown());
    }
}

/// A line of context around the tables.
pub fn note(text: &str) {
    println!("{text}\n");
}

/// A rate without false precision.
pub fn rate(value: f64) -> String {
    match value {
        value if value >= 10_000.0 => format!("{:.1}k", value / 1000.0),
        value => format!("{value:.0}"),
    }
}

/// A duration in the unit that suits it.
pub fn time(value: Duration) -> String {
    match value.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.001 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{:.1} µs", seconds * 1e6),
    }
}

/// A share of a limit.
pub fn ratio(value: f64, limit: f64) -> String {
    if limit > 0.0 { format!("{:.2}", value / limit) } else { "–".into() }
}

/// A size in the unit that suits it.
pub fn bytes(value: u64) -> String {
    match value {
        value if value >= 1 << 20 => format!("{:.1} MiB", value as f64 / f64::from(1 << 20)),
        value => format!("{value} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_markdown() {
        let mut table = Table::new("t", &["what", "n"]);
        table.row(["long name".into(), rate(12_345.0)]);
        assert_eq!(table.markdown(), "### t\n\n| what      | n     |\n|-----------|-------|\n| long name | 12.3k |\n");
    }

    #[test]
    fn numbers_have_fitting_units() {
        assert_eq!(
            [time(Duration::from_micros(12)), time(Duration::from_millis(3)), time(Duration::from_secs(2))],
            ["12.0 µs", "3.00 ms", "2.00 s"]
        );
        assert_eq!((ratio(1.0, 2.0), ratio(1.0, 0.0), bytes(3 << 20)), ("0.50".into(), "–".into(), "3.0 MiB".into()));
    }
}
