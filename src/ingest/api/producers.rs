//! What there is to measure: the account's producers, their measures, and AXP's words for them.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Method;
use tokio::time::timeout;

use super::answer::MeasureEntry;
use super::{Api, Error, MeasureProducer, Operation, Words};
use crate::parse::measure::{Definition, Dictionary};

/// How long AXP may take to describe measures: a feed waits for it.
const DICTIONARY_TIMEOUT: Duration = Duration::from_secs(5);
/// Where producers are managed.
const MANAGEMENT: &str = "api/analytics/producer-management/v1";

impl Api {
    /// The ids of the interval-to-date producers.
    ///
    /// # Errors
    /// Why they cannot be had.
    pub async fn producers(&self) -> Result<Vec<String>, Error> {
        let token = self.token().await?;
        let request = self
            .request(Method::GET, MANAGEMENT, &["measure-producers"], &token)
            .query(&[("processorType", "ITD")]);
        let producers: Vec<MeasureProducer> = self.call(Operation::Producers, request, &token).await?;
        Ok(producers.into_iter().map(|producer| producer.measure_producer_id).collect())
    }

    /// A producer with all its measures.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn producer(&self, producer_id: &str) -> Result<MeasureProducer, Error> {
        let token = self.token().await?;
        let path = ["measure-producers", producer_id];
        let request = self.request(Method::GET, MANAGEMENT, &path, &token);
        self.call(Operation::Producer, request, &token).await
    }

    /// What a producer's measures mean, in this locale.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn words(&self, producer_id: &str, locale: &str) -> Result<Words, Error> {
        let token = self.token().await?;
        let path = ["measure-producers", producer_id, "dictionaries", locale];
        let request = self.request(Method::GET, MANAGEMENT, &path, &token);
        self.call(Operation::Dictionary, request, &token).await
    }

    /// What AXP says of a producer's measures, and what kept their descriptions in this locale
    /// away, if they are left out.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn dictionary(
        &self,
        producer_id: &str,
        locale: &str,
    ) -> Result<(Dictionary, Option<Error>), Error> {
        let asked = async {
            let producer = self.producer(producer_id).await?;
            Ok((producer, self.words(producer_id, locale).await))
        };
        let late = |_| Error::Unreadable(Operation::Dictionary, "it does not come");
        let (producer, words) = timeout(DICTIONARY_TIMEOUT, asked).await.map_err(late)??;
        let (words, missing) = match words {
            Ok(words) => (words.measures, None),
            Err(err) => (Vec::new(), Some(err)),
        };
        let mut descriptions: HashMap<_, _> =
            words.into_iter().map(|word| (word.name, word.description)).collect();
        let measures = producer.measure_sets.into_iter().flat_map(|set| set.measures);
        let dictionary = measures
            .map(|MeasureEntry { name, axp_type, .. }| {
                let description = descriptions.remove(&name).unwrap_or_default();
                (name, Definition { axp_type, description })
            })
            .collect();
        Ok((dictionary, missing))
    }
}
