//! Tables as kubectl prints them: upper-case titles, columns three spaces apart.

/// Aligns rows under titles; the last column is not padded.
pub fn render(titles: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells.chain([titles[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(&format!("{cell:<0$}", width + 3));
        }
        text.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut titles.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["cluster1".to_owned(), "True".to_owned()], vec!["c2".to_owned(), "False".to_owned()]];
        assert_eq!(render(&["NAME", "READY"], &rows), "NAME       READY\ncluster1   True\nc2         False");
    }
}
