"""`python -m benchmarks`."""

if __name__ == "__main__":
    # Here and not above, because each row's process imports this module too and should hold nothing but its row.
    from benchmarks.command import main

    main()
