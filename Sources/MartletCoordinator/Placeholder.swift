package enum CoordinatorPlaceholder {}
