package training;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The service whose first invocation is watched when the archive of classes is made: a bit of what services do. */
public class Training {
    private int calls;

    /** What comes in. */
    public static class Order {
        private String name;
        private List<Integer> numbers = new ArrayList<>();
        public BigDecimal price;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public List<Integer> getNumbers() {
            return numbers;
        }

        public void setNumbers(List<Integer> numbers) {
            this.numbers = numbers;
        }
    }

    /** What goes out. */
    public record Result(Order order, Map<String, Object> more) { }

    /** As AWS's, but of this service: its type does not matter. */
    public interface Context {
        String getAwsRequestId();

        int getRemainingTimeInMillis();
    }

    public Result handleRequest(Order order, Context context) {
        System.out.println("call " + ++calls + " of " + context.getAwsRequestId());
        if (context.getRemainingTimeInMillis() < 0) {
            throw new IllegalStateException("late");
        }
        return new Result(order, Map.of("calls", calls, "share", 0.5));
    }
}
