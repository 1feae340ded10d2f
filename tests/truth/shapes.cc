/* Methods, overloads, templates and references; says of each call what it passed. */
#include <cstdint>
#include <cstdio>

#define TOLD __attribute__((noipa))

namespace geometry {

enum class Kind : std::uint8_t { Round = 3, Square = 9 };

struct Point {
	std::int32_t x;
	std::int32_t y;
};

class Shape {
public:
	Shape(Kind kind, int edges) : kind(kind), edges(edges) {}
	TOLD int scale(int factor, const Point &from)
	{
		std::printf("geometry::Shape::scale(int, geometry::Point const&) {'factor': %d, 'edges': %d, 'kind': %d, 'x': %d, "
			    "'y': %d, 'result': %d}\n",
			    factor, edges, int(kind), from.x, from.y, edges * factor);
		return edges * factor;
	}
	TOLD int scale(double factor);

private:
	Kind kind;
	int edges;
};

int Shape::scale(double factor)
{
	std::printf("geometry::Shape::scale(double) {'edges': %d}\n", edges);
	return int(edges * factor);
}

template <typename T> TOLD T larger(T one, T other)
{
	T result = one < other ? other : one;

	std::printf("larger {'one': %lld, 'other': %lld, 'result': %lld}\n", (long long)one, (long long)other,
		    (long long)result);
	return result;
}

} // namespace geometry

int main()
{
	geometry::Shape shape(geometry::Kind::Square, 4), round(geometry::Kind::Round, 1);
	geometry::Point point = { -3, 70000 };
	int sum = 0;

	for (int i = 0; i < 5; i++) {
		point.x += i;
		sum += shape.scale(i, point) + round.scale(1.5);
		sum += geometry::larger(i, 2) + int(geometry::larger<std::int64_t>(-i, -(1LL << 40)));
	}
	return sum == 1;
}
