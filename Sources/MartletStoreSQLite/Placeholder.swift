package enum SQLitePlaceholder {}
