package bench;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.PCRetriableException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Confluent Parallel Consumer: ordered by key, 64 at a time (where nothing fails its default, 16) and up to 10,000 records held as the pipeline, which at
 * calls of 1 ms gives it a quarter more than its default of twice the calls; commits of its default mode (asynchronous, periodic); retries in memory after
 * 1 s and 10 s. The consumer's own commits are off, as its documentation demands, and it reads committed records. Its fetches are of its default size,
 * and as large as those of all its partitions together where the task says so: there the broker leaves partitions out of an answer that is full. It has no
 * retry topics: where everything fails the function of pollAndProduce, its way to copy records, returns the copy, whose acknowledgement it awaits
 * before the offset counts; acks=all, idempotent.
 */
final class ParallelPeer {
    private ParallelPeer() {}

    static Main.Peer start(Load load) {
        Task task = load.task;
        var settings = new HashMap<String, Object>(Map.of(
                "bootstrap.servers", task.brokers(), "group.id", task.group(), "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                "isolation.level", "read_committed", "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
        if (task.answers() > 0) {
            settings.put("fetch.max.bytes", task.answers());
        }
        var consumer = new KafkaConsumer<byte[], byte[]>(settings);
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(consumer).ordering(ProcessingOrder.KEY).messageBufferSize(10_000)
                .retryDelayProvider(record -> Duration.ofSeconds(record.getNumberOfFailedAttempts() <= 1 ? 1 : 10));
        if (!task.scenario().equals("a")) {
            options.maxConcurrency(64);
        }
        if (task.scenario().equals("b")) {
            return copy(load, options);
        }
        return handle(load, options);
    }

    private static Main.Peer handle(Load load, ParallelConsumerOptions.ParallelConsumerOptionsBuilder<byte[], byte[]> options) {
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options.build());
        processor.subscribe(List.of(load.task.topic()));
        processor.poll(context -> {
            var record = context.getSingleRecord();
            try {
                load.attempt(record.value(), record.getNumberOfFailedAttempts() + 1);
            } catch (IllegalStateException e) {
                throw new PCRetriableException(e); // which is not logged as an error
            }
        });
        return processor::closeDontDrainFirst;
    }

    private static Main.Peer copy(Load load, ParallelConsumerOptions.ParallelConsumerOptionsBuilder<byte[], byte[]> options) {
        String copies = load.task.copies();
        var producer = new KafkaProducer<byte[], byte[]>(Map.of(
                "bootstrap.servers", load.task.brokers(), "acks", "all", "enable.idempotence", true,
                "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options.producer(producer).build());
        processor.subscribe(List.of(load.task.topic()));
        processor.pollAndProduce(context -> {
            var record = context.getSingleRecord();
            try {
                load.attempt(record.value(), 1);
            } catch (IllegalStateException e) {
                return new ProducerRecord<>(copies, record.key(), record.value());
            }
            throw new IllegalStateException("a record did not fail");
        }, copied -> load.routed());
        return processor::closeDontDrainFirst;
    }
}
