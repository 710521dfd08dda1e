"""A builder of functions in LLVM's intermediate language, with the few words that kernels need."""

from contextlib import contextmanager
from types import SimpleNamespace

from llvmlite import ir

VECTOR_BYTES = 64
I64, POINTER = ir.IntType(64), ir.PointerType()


class Code(ir.IRBuilder):
    """A function under construction: pointers first, whole numbers after them, no result."""

    def __init__(self, module, name, pointers, integers, real, inner=True):
        pointers, integers = pointers.split(), integers.split()
        kind = ir.FunctionType(ir.VoidType(), [POINTER] * len(pointers) + [I64] * len(integers))
        self.made = ir.Function(module, kind, name)
        if inner:
            self.made.linkage = "internal"
            self.made.attributes.add("noinline")
        names = [*pointers, *integers]
        for argument, word in zip(self.made.args, names, strict=True):
            argument.name = word
        self.given = SimpleNamespace(**dict(zip(names, self.made.args, strict=True)))
        self._entry = self.made.append_basic_block("entry")
        self.real = real
        self.bytes = 4 if isinstance(real, ir.FloatType) else 8
        self.lanes = VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(real, self.lanes)
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        super().__init__(self.made.append_basic_block("body"))
        self._first = self.block

    def finish(self):
        """End the function and return it."""
        self.ret_void()
        ir.IRBuilder(self._entry).branch(self._first)
        return self.made

    @staticmethod
    def _value(number):
        return ir.Constant(I64, number) if isinstance(number, int) else number

    def plus(self, a, b):
        """Return a + b; here and below, of values under construction or numbers."""
        return self.add(self._value(a), self._value(b))

    def minus(self, a, b):
        """Return a − b."""
        return self.sub(self._value(a), self._value(b))

    def times(self, a, b):
        """Return ab."""
        return self.mul(self._value(a), self._value(b))

    def whole(self, a, b):
        """Return ⌊a/b⌋ of numbers that are not negative."""
        return self.sdiv(self._value(a), self._value(b))

    def least(self, a, b):
        """Return the smaller one."""
        a, b = self._value(a), self._value(b)
        return self.select(self.icmp_signed("<", a, b), a, b)

    def at(self, pointer, *terms, kind=None):
        """Return the address of the number (or ``kind``) that lies the sum of ``terms`` further."""
        for term in terms:
            pointer = self.gep(pointer, [self._value(term)], source_etype=kind or self.real)
        return pointer

    def slot(self, kind):
        """Return a local variable, which the compiler keeps in a register."""
        return ir.IRBuilder(self._entry).alloca(kind)

    def read(self, pointer):
        """Load a vector from numbers that need not begin at a multiple of its size."""
        return self.load(pointer, typ=self.vector, align=self.bytes)

    def write(self, value, pointer):
        """Store a vector likewise."""
        self.store(value, pointer, align=self.bytes)

    def spread(self, number):
        """Return the vector that repeats a number."""
        one = self.insert_element(ir.Constant(self.vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.shuffle_vector(one, ir.Constant(self.vector, ir.Undefined), zeros)

    def multiply_add(self, a, b, c):
        """Return ab + c, in one rounding where the machine can."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.bytes}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        known = self.module.globals.get(name)
        return self.call(known or ir.Function(self.module, kind, name), [a, b, c])

    def fetch(self, pointer):
        """Ask for the line of an address, to be there when it is read."""
        kind = ir.FunctionType(ir.VoidType(), [POINTER, *[ir.IntType(32)] * 3])
        known = self.module.globals.get("llvm.prefetch.p0")
        hints = [ir.Constant(ir.IntType(32), hint) for hint in (0, 2, 1)]
        self.call(known or ir.Function(self.module, kind, "llvm.prefetch.p0"), [pointer, *hints])

    def do(self, name, *values):
        """Call another function of the module."""
        self.call(self.module.globals[name], [self._value(value) for value in values])

    @contextmanager
    def loop(self, start, stop, step=1):
        """Repeat what is built inside, for the indices from ``start`` below ``stop``."""
        counter = self.slot(I64)
        self.store(self._value(start), counter)
        head, body, done = (self.append_basic_block(name) for name in ("head", "body", "done"))
        self.branch(head)
        self.position_at_end(head)
        index = self.load(counter, typ=I64)
        self.cbranch(self.icmp_signed("<", index, self._value(stop)), body, done)
        self.position_at_end(body)
        yield index
        self.store(self.add(index, self._value(step)), counter)
        self.branch(head)
        self.position_at_end(done)

    def tiles(self, start, stop, sizes, build, unit=1):
        """Cover the indices from ``start`` below ``stop`` by tiles of falling sizes times ``unit``: ``build(index, size)``."""
        for size in sizes:
            step = size * unit
            end = self.plus(start, self.times(self.whole(self.minus(stop, start), step), step))
            with self.loop(start, end, step) as index:
                build(index, size)
            start = end

    def tiles_of_runs(self, runs, sizes, build):
        """Cover runs by tiles; where one would remain, it joins the last tile's, as sizes allow."""
        (size,), rest = sizes
        remaining = self.sub(runs, self.times(self.whole(runs, size), size))
        if rest[0] > 1:
            alone = self.and_(
                self.icmp_signed("==", remaining, self._value(1)), self.icmp_signed(">", runs, self._value(1))
            )
            remaining = self.select(alone, self._value(size + 1), remaining)
        whole = self.sub(runs, remaining)
        self.tiles(0, whole, (size,), build)
        self.tiles(whole, runs, rest, build)

    def total(self, vector):
        """Return the sum of a vector's lanes: halves are added to halves."""
        count = self.lanes
        while count > 1:
            count //= 2
            kind = ir.VectorType(ir.IntType(32), count)
            low, high = (ir.Constant(kind, list(range(first, first + count))) for first in (0, count))
            nothing = ir.Constant(vector.type, ir.Undefined)
            vector = self.fadd(self.shuffle_vector(vector, nothing, low), self.shuffle_vector(vector, nothing, high))
        return self.extract_element(vector, ir.Constant(ir.IntType(32), 0))
