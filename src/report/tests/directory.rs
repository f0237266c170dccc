//! The output directory: whole files or the old ones, and early complaints.

use std::fs;

use super::sample;
use crate::report::{FILES, ReportError, prepare_dir, write_dir};

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn writes_three_files_and_leaves_nothing_else() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/report");
    write_dir(&dir, &sample()).unwrap();
    assert_eq!(names(&dir), FILES);
    let first = FILES.map(|name| fs::read(dir.join(name)).unwrap());
    // Again, over the old ones: the same bytes.
    write_dir(&dir, &sample()).unwrap();
    assert_eq!(names(&dir), FILES);
    assert_eq!(FILES.map(|name| fs::read(dir.join(name)).unwrap()), first);
    assert!(first.iter().all(|bytes| bytes.ends_with(b"}\n")));
}

#[test]
fn prepares_without_touching_what_is_there() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join(FILES[0]), "old").unwrap();
    prepare_dir(parent.path()).unwrap();
    assert_eq!(names(parent.path()), [FILES[0]]);
    assert_eq!(fs::read_to_string(parent.path().join(FILES[0])).unwrap(), "old");
}

#[test]
fn refuses_what_is_no_directory() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = prepare_dir(&file).unwrap_err();
    assert!(matches!(error, ReportError::NotADirectory { .. }));
    assert_eq!(
        error.to_string(),
        format!("{}: is not a directory; choose another name or move it away", file.display())
    );
    assert!(matches!(prepare_dir(&file.join("below")).unwrap_err(), ReportError::Create { .. }));
    fs::create_dir(parent.path().join(FILES[2])).unwrap();
    assert!(matches!(prepare_dir(parent.path()).unwrap_err(), ReportError::InTheWay { .. }));
}
