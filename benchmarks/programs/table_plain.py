"""Do the table work in plain Python."""

import tabular

if __name__ == "__main__":
    rows = tabular.make()
    for number in range(tabular.ADDED):
        rows = tabular.add(rows, number)
    tabular.prove_total(tabular.total(rows))
