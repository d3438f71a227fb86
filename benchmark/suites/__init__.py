"""What is asked: suites, and the cells and plans that follow from them."""
