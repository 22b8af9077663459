package bench;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.EnableKafka;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.annotation.RetryableTopic;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.retrytopic.RetryTopicConfigurationSupport;
import org.springframework.kafka.support.ProducerListener;
import org.springframework.retry.annotation.Backoff;
import org.springframework.scheduling.TaskScheduler;
import org.springframework.scheduling.concurrent.ThreadPoolTaskScheduler;

/**
 * Spring Kafka with @RetryableTopic: a retry topic for each delay (1 s and 10 s; an hour where everything fails), acknowledgement by batch, as many
 * listener threads as partitions, 12 at most; acks=all and an idempotent producer. After a record that went to a retry topic the rest of its poll is kept
 * (seekAfterError=false): by default it is fetched again, which its maintainers call a big performance problem of retry topics (spring-kafka issue 2195). All
 * else as Spring has it.
 */
final class SpringPeer {
    private SpringPeer() {}

    private static Load load;

    static Main.Peer start(Load of) {
        load = of;
        Task task = of.task;
        boolean all = task.scenario().equals("b");
        System.setProperty("bench.topic", task.topic());
        System.setProperty("bench.group", task.group());
        System.setProperty("bench.partitions", String.valueOf(task.partitions()));
        System.setProperty("bench.attempts", all ? "2" : "3");
        System.setProperty("bench.delay", all ? "3600000" : "1000");
        System.setProperty("bench.longest", all ? "36000000" : "10000");
        System.setProperty("bench.suffix", "-" + task.group());
        return new AnnotationConfigApplicationContext(Config.class, Listener.class)::close;
    }

    static class Listener {
        @RetryableTopic(
                attempts = "${bench.attempts}",
                backoff = @Backoff(delayExpression = "${bench.delay}", multiplierExpression = "10", maxDelayExpression = "${bench.longest}"),
                numPartitions = "${bench.partitions}",
                replicationFactor = "1",
                retryTopicSuffix = "${bench.suffix}-retry",
                dltTopicSuffix = "${bench.suffix}-dlt")
        @KafkaListener(topics = "${bench.topic}", groupId = "${bench.group}")
        public void handle(ConsumerRecord<byte[], byte[]> record) {
            var attempts = record.headers().lastHeader("retry_topic-attempts");
            load.attempt(record.value(), attempts == null ? 1 : ByteBuffer.wrap(attempts.value()).getInt());
        }
    }

    @Configuration
    @EnableKafka
    static class Config extends RetryTopicConfigurationSupport {
        private final Map<String, Object> brokers = Map.of("bootstrap.servers", load.task.brokers());

        @Override
        protected void configureCustomizers(CustomizersConfigurer customizers) {
            customizers.customizeErrorHandler(handler -> handler.setSeekAfterError(false));
        }

        @Bean
        KafkaAdmin admin() {
            return new KafkaAdmin(brokers);
        }

        @Bean
        TaskScheduler scheduler() {
            return new ThreadPoolTaskScheduler();
        }

        @Bean
        ConcurrentKafkaListenerContainerFactory<byte[], byte[]> kafkaListenerContainerFactory() {
            var settings = new HashMap<>(brokers);
            settings.putAll(Map.of("auto.offset.reset", "earliest", "isolation.level", "read_committed",
                    "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class));
            var factory = new ConcurrentKafkaListenerContainerFactory<byte[], byte[]>();
            factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(settings));
            factory.setConcurrency(Math.min(load.task.partitions(), 12));
            return factory;
        }

        @Bean
        KafkaTemplate<byte[], byte[]> defaultRetryTopicKafkaTemplate() {
            var settings = new HashMap<>(brokers);
            settings.putAll(Map.of("acks", "all", "enable.idempotence", true, "key.serializer", ByteArraySerializer.class, "value.serializer", ByteArraySerializer.class));
            var template = new KafkaTemplate<byte[], byte[]>(new DefaultKafkaProducerFactory<>(settings));
            template.setProducerListener(new ProducerListener<>() {
                @Override
                public void onSuccess(ProducerRecord<byte[], byte[]> record, RecordMetadata where) {
                    if (load.task.scenario().equals("b")) {
                        load.routed();
                    }
                }
            });
            return template;
        }
    }
}
