//! What rows of a chunk hold, and which of them are wanted.

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::gather::any_of_words;
use super::page::Places;
use super::{Chunk, Column, Trouble, Unpack};

impl Chunk<'_> {
    /// Of some rows, which ascend, those that fit. It is asked of values, or of the words that there are.
    pub fn pick(
        &mut self,
        rows: &[u32],
        data_type: &DataType,
        unpack: &mut Unpack,
        fits: impl Fn(&ArrayRef) -> Result<BooleanArray, ArrowError>,
    ) -> Result<Vec<u32>, Trouble> {
        let mut picked = Vec::new();
        let mut column = Column::new(data_type)?;
        let has_words = matches!(data_type, DataType::Utf8 | DataType::List(_));
        let (mut fitting, mut places): (Option<Vec<bool>>, Places) = (None, Places::default());
        self.each_page(rows, unpack, |page, words, of_page, first, unpack| {
            if let Some(words) = words.filter(|_| has_words && page.is_of_words()) {
                let fitting = match &mut fitting {
                    Some(fitting) => fitting,
                    none => {
                        let texts: ArrayRef = std::sync::Arc::new(StringArray::from(words.texts()?));
                        none.insert(fits(&texts)?.values().iter().collect())
                    }
                };
                if fitting.contains(&true) {
                    let take = |row: u32| picked.push(first as u32 + row);
                    any_of_words(page, of_page, fitting, &mut places, take)?;
                }
                return Ok(());
            }
            column.add(page, words, of_page, unpack)?;
            let here = fits(&column.finish())?;
            let here = here.values().set_indices();
            picked.extend(here.filter_map(|at| of_page.get(at)).map(|row| first as u32 + row));
            Ok(())
        })?;
        Ok(picked)
    }

    /// The values of some rows, which ascend, in arrays of so many.
    pub fn values(
        &mut self,
        rows: &[u32],
        data_type: &DataType,
        at_most: usize,
        unpack: &mut Unpack,
    ) -> Result<Vec<ArrayRef>, Trouble> {
        let (mut column, mut held, mut arrays) = (Column::new(data_type)?, 0, Vec::new());
        self.each_page(rows, unpack, |page, words, of_page, _, unpack| {
            let mut rest = of_page;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(at_most - held));
                column.add(page, words, now, unpack)?;
                held += now.len();
                rest = later;
                if held == at_most {
                    arrays.push(column.finish());
                    held = 0;
                }
            }
            Ok(())
        })?;
        if held > 0 {
            arrays.push(column.finish());
        }
        Ok(arrays)
    }
}
