package bench;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.PCRetriableException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Confluent Parallel Consumer: ordered by key, 64 at a time as the pipeline, commits of its default mode (asynchronous, periodic); retries in memory after 1 s
 * and 10 s. The consumer's own commits are off, as its documentation demands, and it reads committed records. It has no retry topics, so that scenario (b) is not for it.
 */
final class ParallelPeer {
    private ParallelPeer() {}

    static void start(Load load) {
        Task task = load.task;
        var consumer = new KafkaConsumer<byte[], byte[]>(Map.of(
                "bootstrap.servers", task.brokers(), "group.id", task.group(), "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                "isolation.level", "read_committed", "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        var processor = ParallelStreamProcessor.createEosStreamProcessor(ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(consumer).ordering(ProcessingOrder.KEY).maxConcurrency(64)
                .retryDelayProvider(record -> Duration.ofSeconds(record.getNumberOfFailedAttempts() <= 1 ? 1 : 10))
                .build());
        processor.subscribe(List.of(task.topic()));
        processor.poll(context -> {
            var record = context.getSingleRecord();
            try {
                load.attempt(record.value(), record.getNumberOfFailedAttempts() + 1);
            } catch (IllegalStateException e) {
                throw new PCRetriableException(e); // which is not logged as an error
            }
        });
    }
}
